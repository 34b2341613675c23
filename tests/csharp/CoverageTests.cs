// Nothing of pensee.h is forgotten: every function, option, field and enumerator is in the binding under its name in
// C#'s spelling, or is listed here with the reason why not.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace Pensee.Tests
{
    public class CoverageTests
    {
        private static readonly string Header = Regex.Replace(
            File.ReadAllText(Path.Combine(Scenarios.Root, "include", "pensee", "pensee.h")), @"/\*.*?\*/", "",
            RegexOptions.Singleline);

        private static readonly Dictionary<string, string> SkippedFunctions = new Dictionary<string, string>
        {
            ["pensee_generate"] = "push: bindings pull, so that no frame of the library lies between two of C#",
            ["pensee_ask"] = "Model.Ask makes the session itself, to be able to cancel it",
            ["pensee_version"] = "as text: Library.Version",
            ["pensee_status_name"] = "Status is an enum: ToString() names it",
        };

        // Called inside a function that pensee.i adds.
        private static readonly Dictionary<string, string> Renamed = new Dictionary<string, string>
        {
            ["pensee_reply_token_ids"] = "pensee_reply_copy_token_ids",
            ["pensee_reply_logprobs"] = "pensee_reply_copy_logprobs",
            ["pensee_score"] = "pensee_score_traced",
            ["pensee_model_save_packed"] = "pensee_model_save_packed_told",
            ["pensee_model_tune"] = "pensee_model_tune_told",
            ["pensee_model_set_weights"] = "set_weights",
        };

        // Struct and field -> why it is not there, or "" where it is a part of another one.
        private static readonly Dictionary<string, string> SkippedFields = new Dictionary<string, string>
        {
            ["pensee_model_options.log"] = "comes on threads of the library: none of them enters the runtime",
            ["pensee_model_options.log_user"] = "likewise",
            ["pensee_model_options.low_memory"] = "likewise",
            ["pensee_model_options.low_memory_user"] = "likewise",
            ["pensee_model_options.progress_user"] = "", ["pensee_options.sampling"] = "",
            ["pensee_options.num_stop"] = "", ["pensee_sampling.num_dry_breakers"] = "",
            ["pensee_sampling.num_logit_bias"] = "", ["pensee_sampling.num_order"] = "", ["pensee_prompt.num_ids"] = "",
            ["pensee_event.text_length"] = "", ["pensee_event.num_alternatives"] = "",
            ["pensee_event.num_experts"] = "",
            ["pensee_event.tool_call_id"] = "", ["pensee_event.tool_name"] = "",
            ["pensee_event.tool_arguments_json"] = "", ["pensee_event.expert_ids"] = "",
            ["pensee_event.expert_weights"] = "", ["pensee_tensor.num_dims"] = "",
        };

        [Fact]
        public void Every_function_is_called_or_skipped_with_a_reason()
        {
            var functions = Regex.Matches(Header, @"PENSEE_API[^;]*?\b(pensee_\w+)\(").Cast<Match>()
                .Select(match => match.Groups[1].Value).Distinct().ToList();
            Assert.True(functions.Count > 50);
            var folder = Path.Combine(Scenarios.Root, "bindings", "csharp", "Pensee");
            var sources = string.Concat(Directory.GetFiles(folder, "*.cs").Select(File.ReadAllText));
            var missing = functions.Where(name => !Regex.IsMatch(
                sources, @"\b" + (Renamed.ContainsKey(name) ? Renamed[name] : name) + @"\b"));
            Assert.Equal(SkippedFunctions.Keys.OrderBy(name => name), missing.OrderBy(name => name));
        }

        [Fact]
        public void Every_field_is_a_property()
        {
            Check("pensee_model_options", typeof(ModelOptions));
            Check("pensee_options", typeof(Options));
            Check("pensee_sampling", typeof(Sampling));
            Check("pensee_vote_options", typeof(VoteOptions));
            Check("pensee_prompt", typeof(Prompt));
            Check("pensee_model_info", typeof(ModelInfo));
            Check("pensee_usage", typeof(Usage));
            Check("pensee_event", typeof(Event), typeof(Event.End), typeof(Event.ToolCall));
            Check("pensee_alternative", typeof(Alternative));
            Check("pensee_tool_call", typeof(ToolCall));
            Check("pensee_routing", typeof(Routing));
            Check("pensee_vote_answer", typeof(VoteAnswer));
            Check("pensee_tensor", typeof(Tensor));
            Check("pensee_memory", typeof(Memory));
            var arguments = typeof(Model).GetMethod("Score")!.GetParameters().Select(p => p.Name).ToList();
            foreach (var field in Fields("pensee_score_options"))
            {
                var argument = field == "expert_ids" ? "replay" : field.StartsWith("expert") ? "trace" : "progress";
                Assert.True(arguments.Contains(argument));
            }
        }

        [Fact]
        public void Names_stand_for_the_headers_numbers()
        {
            CheckNames("BACKEND", typeof(Backend));
            CheckNames("ACTIVATIONS", typeof(Activations));
            CheckNames("CACHE", typeof(CacheType));
            CheckNames("EFFORT", typeof(Effort));
            CheckNames("SAMPLER", typeof(Sampler));
            CheckNames("SPECULATION", typeof(Speculation));
            CheckNames("LOOP_GUARD", typeof(LoopGuard));
            CheckNames("TOOLS", typeof(ToolChoice));
            CheckNames("EVENT", typeof(EventKind));
            CheckNames("FINISH", typeof(FinishReason));
            CheckNames("VOTE", typeof(VoteWeighting));
            CheckNames("DTYPE", typeof(DType));
            CheckNames("THREAD_PRIORITY", typeof(WorkerPriority));
            CheckNames("PACKED", typeof(PackedFile));
            CheckNames("TRIM", typeof(TrimLevel));
            var table = Regex.Match(Header, @"typedef int32_t pensee_status;\s*enum \{(.*?)\}",
                                    RegexOptions.Singleline);
            CheckNames(Regex.Matches(table.Groups[1].Value, @"PENSEE_(\w+) = (\d+)"), typeof(Status));
        }

        [Fact]
        public void Everything_public_is_of_this_layer()
        {
            var types = typeof(Model).Assembly.GetExportedTypes();
            Assert.True(types.All(type => type.Namespace == "Pensee" && !type.Name.Contains("_")));
            Assert.True(types.Length > 20);
        }

        private static List<string> Fields(string name)
        {
            var body = Regex.Match(Header, @"typedef struct " + name + @" \{(.*?)\} " + name + ";",
                                   RegexOptions.Singleline);
            Assert.True(body.Success);
            var fields = new List<string>();
            foreach (var declaration in body.Groups[1].Value.Split(';'))
            {
                var match = Regex.Match(declaration, @"\(\*(\w+)\)");
                if (!match.Success) match = Regex.Match(declaration.Trim(), @"(\w+)$");
                var field = match.Groups[1].Value;
                if (match.Success && field != "struct_size" && field != "reserved") fields.Add(field);
            }
            return fields;
        }

        private static void Check(string name, params Type[] types)
        {
            var properties = types.SelectMany(type => type.GetProperties()).Select(p => p.Name).ToList();
            var missing = Fields(name).Where(field => !properties.Contains(Spelling(field)))
                .Select(field => name + "." + field);
            Assert.Equal(SkippedFields.Keys.Where(key => key.StartsWith(name + ".")).OrderBy(key => key),
                         missing.OrderBy(key => key));
        }

        private static void CheckNames(string prefix, Type type)
        {
            CheckNames(Regex.Matches(Header, @"\bPENSEE_" + prefix + @"_(\w+) = (\d+)"), type);
        }

        private static void CheckNames(MatchCollection rows, Type type)
        {
            Assert.True(rows.Count > 1);
            var told = rows.Cast<Match>().Select(row => Scenarios.Pascal(row.Groups[1].Value.ToLowerInvariant()) + " "
                                                        + row.Groups[2].Value);
            var here = Enum.GetNames(type).Select(name => name + " " + (int)Enum.Parse(type, name));
            Assert.Equal(told.OrderBy(row => row), here.OrderBy(row => row));
        }

        private static string Spelling(string field)
        {
            return field == "dtype" ? "DType" : Scenarios.Pascal(field);
        }
    }
}

// tests/scenarios: what every binding does and the tokens that come out of it, found from where the tests lie upwards;
// and the small model that they are about, opened once.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;

namespace Pensee.Tests
{
    internal static class Scenarios
    {
        internal static readonly string Root = FindRoot();
        internal static readonly string ModelPath = Path.Combine(Root, "tests", "scenarios", "thinker.gguf");
        private static readonly Lazy<Model> Opened = new Lazy<Model>(() => new Model(ModelPath));
        private static readonly Dictionary<string, object?> All = Map(Json.Parse(File.ReadAllText(
            Path.Combine(Root, "tests", "scenarios", "scenarios.json"))));

        internal static Model Model => Opened.Value;

        internal static Dictionary<string, object?> One(string name)
        {
            return Map(All[name]);
        }

        internal static object? Value(string name)
        {
            return All[name];
        }

        internal static IEnumerable<Dictionary<string, object?>> Rows(string name)
        {
            return List(All[name]).Select(Map);
        }

        internal static Dictionary<string, object?> Map(object? value)
        {
            return (Dictionary<string, object?>)value!;
        }

        internal static List<object?> List(object? value)
        {
            return (List<object?>)value!;
        }

        internal static string Text(object? value)
        {
            return (string)value!;
        }

        internal static int[] Ids(object? value)
        {
            return List(value).Select(number => (int)(double)number!).ToArray();
        }

        internal static Prompt PromptOf(Dictionary<string, object?> row)
        {
            if (row.ContainsKey("ids")) return Ids(row["ids"]);
            var prompt = row.ContainsKey("messages")
                ? Prompt.FromMessagesJson(Json.Write(row["messages"]))
                : Prompt.FromText(Text(row["prompt"]), row.ContainsKey("system") ? Text(row["system"]) : null);
            return row.ContainsKey("tools") ? prompt.WithToolsJson(Json.Write(row["tools"])) : prompt;
        }

        /// <summary>Python's keywords are the properties' names in another spelling.</summary>
        internal static Options OptionsOf(Dictionary<string, object?> row)
        {
            var options = new Options();
            Fill(options, Map(row["options"]));
            return options;
        }

        internal static string Pascal(string name)
        {
            return string.Concat(name.Split('_').Select(
                word => word.Length == 0 ? "" : word.Substring(0, 1).ToUpperInvariant() + word.Substring(1)));
        }

        private static void Fill(Sampling to, Dictionary<string, object?> keywords)
        {
            foreach (var row in keywords)
            {
                var property = to.GetType().GetProperty(Pascal(row.Key))
                    ?? throw new MissingMemberException("Options", row.Key);
                property.SetValue(to, Convert(row.Value, property.PropertyType), null);
            }
        }

        private static object? Convert(object? value, Type type)
        {
            type = Nullable.GetUnderlyingType(type) ?? type;
            if (type.IsEnum) return Enum.Parse(type, Pascal(Text(value)));
            if (type == typeof(Sampling))
            {
                var sampling = new Sampling();
                Fill(sampling, Map(value));
                return sampling;
            }
            if (value is Dictionary<string, object?> map)
            {
                return map.ToDictionary(row => int.Parse(row.Key), row => (float)(double)row.Value!);
            }
            if (value is List<object?> list) return list.Select(Text).ToList();
            return System.Convert.ChangeType(value, type, CultureInfo.InvariantCulture);
        }

        private static string FindRoot()
        {
            for (var folder = AppDomain.CurrentDomain.BaseDirectory; folder != null;
                 folder = Path.GetDirectoryName(folder))
            {
                if (File.Exists(Path.Combine(folder, "tests", "scenarios", "scenarios.json"))) return folder;
            }
            throw new FileNotFoundException("tests/scenarios/scenarios.json: the tests run inside the repository");
        }
    }
}

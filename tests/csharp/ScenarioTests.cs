// The scenarios that the tests of every binding share.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using Xunit;

namespace Pensee.Tests
{
    public class ScenarioTests
    {
        private static readonly char[] Space = { ' ', '\t', '\r', '\n' };
        private readonly Model _model = Scenarios.Model;

        [Fact]
        public void Tokens_are_those_of_the_other_languages()
        {
            foreach (var row in Scenarios.Rows("tokenize"))
            {
                var text = Scenarios.Text(row["text"]);
                Assert.Equal(Scenarios.Ids(row["ids"]), _model.Tokenize(text));
                Assert.Equal(Scenarios.Ids(row["plain_ids"]), _model.Tokenize(text, plainText: true));
                Assert.Equal(text, _model.Detokenize(_model.Tokenize(text)));
                Assert.Equal(Encoding.UTF8.GetBytes(text), _model.DetokenizeBytes(_model.Tokenize(text)));
            }
        }

        [Fact]
        public void Prompts_are_rendered_as_in_the_other_languages()
        {
            var row = Scenarios.One("render");
            Assert.Equal(Scenarios.Text(row["text"]), _model.Render(Scenarios.PromptOf(row)));
            var messages = Scenarios.List(row["messages"]).Select(Scenarios.Map).Select(MessageOf).ToList();
            Assert.Equal(Scenarios.Text(row["text"]), _model.Render(messages));
        }

        [Fact]
        public void Replies_are_those_of_the_other_languages()
        {
            foreach (var row in Scenarios.Rows("replies"))
            {
                Check(row, _model.Ask(Scenarios.PromptOf(row), Options(row)));
            }
        }

        [Fact]
        public void A_stream_brings_what_the_reply_has()
        {
            foreach (var row in Scenarios.Rows("replies"))
            {
                var expected = Scenarios.Map(row["expected"]);
                using (var stream = _model.Generate(Scenarios.PromptOf(row), Options(row)))
                {
                    var events = stream.ToList();
                    Assert.True(stream.Ended);
                    Assert.Equal(Scenarios.Ids(expected["token_ids"]), Ids(events));
                    Assert.Equal(Scenarios.Text(expected["thought"]), Joined<Event.Thought>(events));
                    Assert.Equal(Scenarios.Text(expected["answer"]), Joined<Event.Answer>(events));
                    var calls = events.OfType<Event.ToolCall>().Where(e => e.Call != null).Select(e => e.Call!.Name);
                    Assert.Equal(Scenarios.List(expected["tool_calls"]).Count, calls.Count());
                    var end = (Event.End)events.Last();
                    Assert.Equal(Scenarios.Text(expected["finish_reason"]), Snake(end.FinishReason));
                    Assert.Equal((double)expected["thought_tokens"]!, end.Usage.ThoughtTokens);
                    Assert.Null(end.TokenId);
                }
            }
        }

        [Fact]
        public void A_model_is_the_same_from_a_path_a_descriptor_and_memory()
        {
            var row = Scenarios.Rows("replies").First();
            var data = File.ReadAllBytes(Scenarios.ModelPath);
            var package = Path.GetTempFileName();
            try
            {
                var padding = new byte[12345];
                File.WriteAllBytes(package, padding.Concat(data).Concat(padding).ToArray());
                Model fromFile;
                using (var file = File.OpenRead(package))
                {
                    fromFile = Model.FromFile(file.SafeFileHandle, padding.Length, data.Length);
                }
                foreach (var model in new[] { fromFile, Model.FromMemory(data) })
                {
                    using (model) Check(row, model.Ask(Scenarios.PromptOf(row), Options(row)));
                }
            }
            finally
            {
                File.Delete(package);
            }
        }

        [Fact]
        public void All_at_once_a_thread_each_give_the_same()
        {
            var failures = new List<string>();
            var threads = Scenarios.Rows("replies").SelectMany(row => new[] { row, row }).Select(row => new Thread(() =>
            {
                try
                {
                    var events = _model.Generate(Scenarios.PromptOf(row), Options(row)).ToList();
                    Assert.Equal(Scenarios.Ids(Scenarios.Map(row["expected"])["token_ids"]), Ids(events));
                }
                catch (Exception error)
                {
                    lock (failures) failures.Add(Scenarios.Text(row["name"]) + ": " + error.Message);
                }
            })).ToList();
            threads.ForEach(thread => thread.Start());
            threads.ForEach(thread => thread.Join());
            Assert.Equal("", string.Join("\n", failures));
        }

        [Fact]
        public void Samples_share_a_prompt()
        {
            var row = Scenarios.One("samples");
            var expected = Scenarios.List(row["token_ids"]).Select(Scenarios.Ids).ToList();
            var reply = _model.Ask(Scenarios.PromptOf(row), Options(row));
            Assert.Equal(expected.Count, reply.Samples.Count);
            for (var i = 0; i < expected.Count; i++) Assert.Equal(expected[i], reply.Samples[i].TokenIds);
            var events = _model.Generate(Scenarios.PromptOf(row), Options(row)).ToList();
            for (var i = 0; i < expected.Count; i++) Assert.Equal(expected[i], Ids(events.Where(e => e.Sample == i)));
            Assert.Equal(expected.Count, events.OfType<Event.End>().Count());
        }

        [Fact]
        public void Votes_are_counted()
        {
            var row = Scenarios.One("vote");
            var vote = _model.Vote(Scenarios.PromptOf(row), Options(row),
                                   new VoteOptions { N = (int)(double)row["n"]!, All = true });
            var expected = Scenarios.List(row["token_ids"]).Select(Scenarios.Ids).ToList();
            Assert.Equal(expected.Count, vote.Replies.Count);
            for (var i = 0; i < expected.Count; i++) Assert.Equal(expected[i], vote.Replies[i].TokenIds);
            var answers = Scenarios.List(row["answers"]).Select(Scenarios.Map).ToList();
            // Which of several with as many votes comes first, depends on which reply was done first.
            Assert.Equal(
                answers.Select(a => (double)a["votes"]! + " " + Scenarios.Text(a["answer"])).OrderBy(a => a),
                vote.Answers.Select(a => a.Votes + " " + a.Answer).OrderBy(a => a));
            Assert.Equal(vote.Answers[0].Answer, vote.Answer);
            Assert.True(ReferenceEquals(vote.Replies[vote.Answers[0].Reply], vote.Reply));
        }

        [Fact]
        public void A_cancelled_stream_gave_the_first_tokens()
        {
            var row = Scenarios.One("endless");
            using (var stream = _model.Generate(Scenarios.PromptOf(row), Options(row)))
            {
                var events = Enumerable.Range(0, 5).Select(_ => stream.Next()!).ToList();
                stream.Cancel();
                events.AddRange(stream);
                Assert.Equal(FinishReason.Cancelled, ((Event.End)events.Last()).FinishReason);
                var ids = Ids(events);
                var expected = Scenarios.Ids(row["token_ids"]);
                var count = Math.Min(ids.Length, expected.Length);
                Assert.True(ids.Length >= 5);
                Assert.Equal(expected.Take(count), ids.Take(count));
                stream.Cancel(); // nothing to do
            }
        }

        [Fact]
        public void An_ended_thought_is_followed_by_an_answer()
        {
            var row = Scenarios.One("endless");
            var options = Options(row);
            options.MaxTokens = 300;
            using (var stream = _model.Generate(Scenarios.PromptOf(row), options))
            {
                var events = Enumerable.Range(0, 5).Select(_ => stream.Next()!).ToList();
                stream.EndThought();
                events.AddRange(stream);
                var tokens = events.Where(e => e.TokenId != null).ToList();
                var forced = tokens.FindIndex(e => e.Forced);
                Assert.True(forced >= 5);
                Assert.Equal(Scenarios.Ids(row["token_ids"]).Take(forced), Ids(tokens.Take(forced)));
                Assert.True(events.OfType<Event.Answer>().Any(e => e.Text != ""));
            }
        }

        [Fact]
        public void A_talk_goes_on_after_save_restore_and_fork()
        {
            var first = Scenarios.Map(Scenarios.One("talk")["first"]);
            var second = Scenarios.Map(Scenarios.One("talk")["second"]);
            var path = Path.GetTempFileName();
            try
            {
                using (var session = _model.NewSession())
                {
                    Assert.Equal(Scenarios.Ids(first["token_ids"]),
                                 session.Ask(Scenarios.PromptOf(first), Options(first)).TokenIds);
                    session.Save(path);
                    var sessions = new[]
                    {
                        session.Fork(), _model.Restore(path), _model.Restore(session.ToBytes()), session,
                    };
                    float[]? logprobs = null;
                    foreach (var each in sessions) Assert.Equal(session.Tokens, each.Tokens);
                    foreach (var each in sessions)
                    {
                        var reply = each.Ask(Scenarios.PromptOf(second), Options(second));
                        Assert.Equal(Scenarios.Ids(second["token_ids"]), reply.TokenIds);
                        Assert.True(reply.Usage.CachedTokens >= (double)second["cached_tokens_min"]!);
                        logprobs = logprobs ?? reply.Logprobs.ToArray();
                        Assert.Equal(logprobs, reply.Logprobs);
                        each.Rewind(3);
                        Assert.Equal(Scenarios.Ids(second["ids"]).Take(3), each.Tokens);
                        each.Dispose();
                    }
                }
            }
            finally
            {
                File.Delete(path);
            }
        }

        [Fact]
        public void Scores_are_those_of_the_other_languages()
        {
            var row = Scenarios.One("score");
            var ids = Scenarios.Ids(row["ids"]);
            var expected = Scenarios.List(row["logprobs"]).Select(value => (double)value!).ToList();
            var logprobs = _model.Logprobs(ids);
            for (var i = 0; i < ids.Length; i++) Assert.True(Math.Abs(expected[i] - logprobs[i]) < 1e-3);
            Assert.Equal(logprobs, _model.Score(ids).Logprobs);
            var vocabSize = (int)_model.Info.VocabSize;
            var logits = _model.Logits(ids);
            Assert.Equal(ids.Length * vocabSize, logits.Length);
            Assert.Equal(Scenarios.Ids(row["argmax"]), Enumerable.Range(0, ids.Length).Select(i =>
            {
                var line = logits.Skip(i * vocabSize).Take(vocabSize).ToList();
                return line.IndexOf(line.Max());
            }));
        }

        [Fact]
        public void Errors_have_their_status()
        {
            foreach (var row in Scenarios.Rows("errors"))
            {
                var error = Assert.Throws<PenseeException>(() =>
                {
                    if (!row.ContainsKey("open")) _model.Ask(Scenarios.PromptOf(row), Options(row));
                    else new Model(Path.Combine(Path.GetDirectoryName(Scenarios.ModelPath)!, (string)row["open"]!))
                        .Dispose();
                });
                var status = Scenarios.Text(row["status"]).Replace("_", "");
                Assert.Equal(status, error.Status.ToString().ToUpperInvariant());
                Assert.NotEqual("", error.Message);
            }
        }

        private static Options Options(Dictionary<string, object?> row)
        {
            return Scenarios.OptionsOf(row);
        }

        private static void Check(Dictionary<string, object?> row, Reply reply)
        {
            var expected = Scenarios.Map(row["expected"]);
            Assert.Equal(Scenarios.Ids(expected["token_ids"]), reply.TokenIds);
            // The space around the tags, which events bring, belongs to neither side of a whole reply.
            Assert.Equal(Scenarios.Text(expected["thought"]).Trim(Space), reply.Thought);
            Assert.Equal(Scenarios.Text(expected["answer"]).TrimStart(Space), reply.Answer);
            Assert.Equal(Scenarios.Text(expected["finish_reason"]), Snake(reply.FinishReason));
            Assert.Equal((double)expected["prompt_tokens"]!, reply.Usage.PromptTokens);
            Assert.Equal((double)expected["thought_tokens"]!, reply.Usage.ThoughtTokens);
            Assert.Equal((double)expected["answer_tokens"]!, reply.Usage.AnswerTokens);
            Assert.Equal(reply.TokenIds.Count, reply.Logprobs.Count);
            var calls = Scenarios.List(expected["tool_calls"]).Select(Scenarios.Map).ToList();
            Assert.Equal(calls.Select(call => Scenarios.Text(call["name"])), reply.ToolCalls.Select(call => call.Name));
            Assert.Equal(calls.Select(call => Scenarios.Text(call["arguments"])),
                         reply.ToolCalls.Select(call => call.ArgumentsJson));
            Assert.Equal("assistant", Scenarios.Text(Scenarios.Map(Json.Parse(reply.Message.Json))["role"]));
        }

        private static int[] Ids(IEnumerable<Event> events)
        {
            return events.Where(e => e.TokenId != null).Select(e => e.TokenId!.Value).ToArray();
        }

        private static string Joined<T>(IEnumerable<Event> events) where T : Event
        {
            return string.Concat(events.OfType<T>().Select(e => e.Text));
        }

        private static string Snake(FinishReason reason)
        {
            return reason == FinishReason.ToolCall ? "tool_call" : reason.ToString().ToLowerInvariant();
        }

        private static Message MessageOf(Dictionary<string, object?> row)
        {
            var content = Scenarios.Text(row["content"]);
            switch (Scenarios.Text(row["role"]))
            {
                case "system": return Message.System(content);
                case "user": return Message.User(content);
                default: return Message.Assistant(content, (string?)row["reasoning_content"]);
            }
        }
    }
}

// Prompts, messages, options and values: what goes in and comes out, and what is refused by name.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Xunit;

namespace Pensee.Tests
{
    public class ValueTests
    {
        private readonly Model _model = Scenarios.Model;

        [Fact]
        public void Texts_are_whole_or_refused()
        {
            const string text = "a\0b \U0001F600 \u00e9";
            Assert.Equal(text, _model.Detokenize(_model.Tokenize(text)));
            var reply = _model.ParseReply("<think>\U0001F600</think>caf\u00e9");
            Assert.Equal("\U0001F600", reply.Thought);
            Assert.Equal("caf\u00e9", reply.Answer);
            Assert.Equal("still", _model.ParseReply("still</think>", inThought: true).Thought);
            Assert.Contains("\U0001F600", _model.Render("Smile \U0001F600"));
            Assert.Contains("prompt", Refused(() => _model.Ask("a\0b")).Message);
            Assert.Contains("stop", Refused(() => _model.Ask("a", new Options { Stop = new[] { "x\0" } })).Message);
            Assert.Contains("character 1", Refused(() => _model.Tokenize("a\ud800")).Message);
            Refused(() => _model.Ask("a\ud800"));
            Refused(() => new Model("a\0b"));
            Assert.Throws<ArgumentNullException>(() => _model.Tokenize(null!));
            Assert.Throws<ArgumentNullException>(() => _model.Ask((Prompt)null!));
        }

        [Fact]
        public void Messages_are_json()
        {
            var call = new ToolCall("call_1", "look\"up", "{\"word\": \"\u00e9\"}");
            var message = Scenarios.Map(Json.Parse(Message.Assistant("a\n\u0001\\", "thought", new[] { call }).Json));
            Assert.Equal("a\n\u0001\\", Scenarios.Text(message["content"]));
            Assert.Equal("thought", Scenarios.Text(message["reasoning_content"]));
            var told = Scenarios.Map(Scenarios.List(message["tool_calls"]).Single());
            Assert.Equal("call_1", Scenarios.Text(told["id"]));
            var function = Scenarios.Map(told["function"]);
            Assert.Equal("look\"up", Scenarios.Text(function["name"]));
            Assert.Equal("{\"word\": \"\u00e9\"}", Scenarios.Text(function["arguments"]));
            var result = Scenarios.Map(Json.Parse(Message.Tool("call_1", "42").Json));
            Assert.Equal("tool", Scenarios.Text(result["role"]));
            Assert.Equal("call_1", Scenarios.Text(result["tool_call_id"]));
            var tool = Scenarios.Map(Json.Parse(new Tool("t", "d", "{\"type\": \"object\"}").Json));
            Assert.Equal("d", Scenarios.Text(Scenarios.Map(tool["function"])["description"]));
        }

        [Fact]
        public void A_tool_call_is_answered_in_the_same_session()
        {
            var tool = new Tool("lookup", "Looks a word up.", "{\"type\": \"object\", \"properties\": {\"word\": "
                + "{\"enum\": [\"cat\", \"dog\"]}}, \"required\": [\"word\"], \"additionalProperties\": false}");
            var options = new Options { ThinkBudget = 4, MaxTokens = 300, ToolChoice = ToolChoice.Required, Seed = 1 };
            options.AnswerSampling = new Sampling { LogitBias = new Dictionary<int, float> { [256] = 1000 } };
            var messages = new List<Message> { Message.User("Look it up.") };
            using (var session = _model.NewSession())
            {
                var reply = session.Ask(Prompt.FromMessages(messages).WithTools(tool), options);
                Assert.Equal(FinishReason.ToolCall, reply.FinishReason);
                var call = reply.ToolCalls.Single();
                Assert.Equal("lookup", call.Name);
                var word = Scenarios.Text(Scenarios.Map(Json.Parse(call.ArgumentsJson))["word"]);
                Assert.True(word == "cat" || word == "dog");
                messages.Add(reply.Message);
                messages.Add(Message.Tool(call.Id, "an animal"));
                var second = session.Ask(Prompt.FromMessages(messages).WithTools(tool),
                                         new Options { MaxTokens = 8, ToolChoice = ToolChoice.None });
                Assert.Equal(8, second.TokenIds.Count);
            }
        }

        [Fact]
        public void Options_that_are_wrong_are_named()
        {
            Assert.Contains("top_p", Refused(() => _model.Ask("a", new Options { TopP = 2 })).Message);
            Assert.Contains("order", Refused(() => _model.Ask(
                "a", new Options { Order = new[] { Sampler.TopK, Sampler.TopK } })).Message);
            Assert.Contains("threads", Refused(() => new Model(
                Scenarios.ModelPath, new ModelOptions { Threads = -1 })).Message);
            Assert.Contains("offset", Refused(() => Model.FromFileDescriptor(0, -1)).Message);
            Refused(() => Model.FromFileDescriptor(987654));
            Refused(() => _model.NewSession().Rewind(-1));
            Refused(() => _model.Detokenize(new[] { 999999 }));
            Refused(() => _model.Ask(new int[0]));
            Assert.Equal(Status.FileCorrupt,
                         Assert.Throws<PenseeException>(() => Model.FromMemory(new byte[100])).Status);
            Assert.Equal(Status.FileCorrupt,
                         Assert.Throws<PenseeException>(() => Model.FromMemory(new byte[0])).Status);
            Assert.Equal(Status.FileCorrupt,
                         Assert.Throws<PenseeException>(() => _model.Restore(new byte[100])).Status);
        }

        [Fact]
        public void Alternatives_and_samplers_do_what_they_say()
        {
            var options = new Options { Temperature = 0, MaxTokens = 6, TopLogprobs = 3 };
            foreach (var e in _model.Generate("Hi", options).ToList().Where(e => e.TokenId != null))
            {
                Assert.Equal(3, e.Alternatives.Count);
                Assert.Equal(e.TokenId, e.Alternatives[0].TokenId);
                Assert.Equal(e.Logprob, e.Alternatives[0].Logprob);
            }
            options = new Options
            {
                Seed = 5, MaxTokens = 6,
                LogitBias = new Dictionary<int, float> { [65] = 1000, [66] = float.NegativeInfinity },
                Order = new[] { Sampler.Temperature, Sampler.TopK }, TopK = 3, DryBreakers = new[] { "\n", "x" },
            };
            Assert.Equal("AAAAAA", _model.Ask("Hi", options).Thought);
            options.Stop = new[] { "zzz", "AAA" };
            options.ThinkBudget = 0;
            options.MaxTokens = 20;
            Assert.Equal(FinishReason.Budget, _model.Ask("Hi", options).FinishReason);
            Assert.False(_model.Ask("Hi", options).Answer.Contains("A"));
        }

        [Fact]
        public void Time_outs_are_no_end()
        {
            var busy = new Options { MaxTokens = 30 };
            using (var stream = _model.Generate("Hi", busy))
            {
                var count = 0;
                while (!stream.Ended) count += stream.Next(TimeSpan.FromMilliseconds(1))?.TokenId == null ? 0 : 1;
                Assert.Equal(30, count);
            }
            using (var stream = _model.Generate("Hi", busy))
            {
                while (!stream.Ended) stream.Next(TimeSpan.Zero);
            }
        }

        [Fact]
        public void Experts_are_traced_and_replayed()
        {
            using (var model = new Model(Path.Combine(Scenarios.Root, "tests", "goldens", "data", "deepseek_v3")))
            {
                var ids = Enumerable.Range(1, 12).ToArray();
                var reply = model.Ask(ids, new Options { MaxTokens = 4, Temperature = 0, TraceExperts = true });
                var routing = reply.Routing!;
                Assert.Equal(model.Info.NumMoeLayers, routing.NumMoeLayers);
                Assert.Equal(routing.Positions * routing.NumMoeLayers * routing.NumExpertsPerTok,
                             routing.ExpertIds.LongLength);
                var all = ids.Concat(reply.TokenIds).ToArray();
                var score = model.Score(all, routing, trace: true);
                Assert.Equal(routing.ExpertIds, score.Routing!.ExpertIds.Take(routing.ExpertIds.Length));
                Assert.Equal(reply.Logprobs, score.Logprobs.Skip(ids.Length));
                Refused(() => model.Score(ids.Take(3), routing));
                var traced = model.Generate(ids, new Options { MaxTokens = 2, TraceExperts = true }).First();
                Assert.Equal(routing.NumMoeLayers * routing.NumExpertsPerTok, traced.Experts!.ExpertIds.LongLength);
            }
        }

        [Fact]
        public void Weights_are_replaced_all_or_none()
        {
            using (var model = new Model(Scenarios.ModelPath))
            {
                var ids = Enumerable.Range(65, 8).ToArray();
                var before = model.Logprobs(ids);
                var size = (int)model.Info.HiddenSize;
                var zeros = new Tensor("model.norm.weight", new long[] { size }, new float[size]);
                model.SetWeights(new[] { zeros });
                Assert.True(model.Logits(ids).All(logit => logit == 0));
                model.SetWeights(new[]
                {
                    new Tensor("model.norm.weight", new long[] { size }, Enumerable.Repeat(1f, size).ToArray()),
                });
                Assert.Equal(before, model.Logprobs(ids));
                Assert.Contains("model.nothing", Refused(() => model.SetWeights(
                    new[] { zeros, new Tensor("model.nothing", new long[] { 1 }, new float[1]) })).Message);
                Assert.Contains("model.norm.weight", Refused(() => model.SetWeights(
                    new[] { new Tensor("model.norm.weight", new long[] { size }, new float[1]) })).Message);
                Assert.Equal(before, model.Logprobs(ids));
            }
        }

        [Fact]
        public void A_model_tells_what_it_is()
        {
            var info = _model.Info;
            Assert.Equal("qwen2", info.Architecture);
            Assert.Equal((int)(double)Scenarios.Value("vocab_size")!, info.VocabSize);
            Assert.True(info.Thinks && info.HasChatTemplate && info.Threads > 0 && info.WeightBytes > 0);
            Assert.Equal(256, info.EosTokenId);
            Assert.Null(info.BosTokenId);
            Assert.Contains("qwen2", _model.ToString());
            Assert.True(Library.Version.StartsWith("0."));
            Assert.Contains("memory", Library.Describe(Status.OutOfMemory));
            using (var inspected = new Model(Scenarios.ModelPath, new ModelOptions { SkipWeights = true }))
            {
                Assert.Equal(Status.Unsupported,
                             Assert.Throws<PenseeException>(() => inspected.Ask("Hi")).Status);
            }
        }

        private static PenseeException Refused(Action action)
        {
            var error = Assert.Throws<PenseeException>(action);
            Assert.Equal(Status.BadArgument, error.Status);
            return error;
        }

        private static PenseeException Refused(Func<object> action)
        {
            return Refused(() => { action(); });
        }
    }
}

// The chat client gives what the model gives, in Microsoft.Extensions.AI's words. For the .NET SDK alone.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Pensee.Extensions.AI;
using Xunit;

namespace Pensee.Tests
{
    public class ChatClientTests
    {
        private readonly IChatClient _client = Scenarios.Model.AsIChatClient();

        [Fact]
        public async Task A_stream_brings_thought_answer_and_usage()
        {
            var options = new ChatOptions
            {
                Temperature = 0, MaxOutputTokens = 48, RawRepresentationFactory = _ => new Options { ThinkBudget = 12 },
            };
            var updates = new List<ChatResponseUpdate>();
            await foreach (var update in _client.GetStreamingResponseAsync("Is 221 prime?", options))
            {
                updates.Add(update);
            }
            var row = Scenarios.Rows("replies").Single(reply => Scenarios.Text(reply["name"]) == "budget");
            var expected = Scenarios.Map(row["expected"]);
            var contents = updates.SelectMany(update => update.Contents).ToList();
            Assert.Equal(Scenarios.Text(expected["thought"]),
                         string.Concat(contents.OfType<TextReasoningContent>().Select(content => content.Text)));
            Assert.Equal(Scenarios.Text(expected["answer"]).TrimStart(),
                         string.Concat(contents.OfType<TextContent>().Select(content => content.Text)));
            var usage = contents.OfType<UsageContent>().Single().Details;
            Assert.Equal((long)(double)expected["prompt_tokens"]!, usage.InputTokenCount);
            Assert.Equal((long)(double)expected["thought_tokens"]!, usage.ReasoningTokenCount);
            Assert.Equal(ChatFinishReason.Length, updates.Last().FinishReason);
            Assert.Single(updates.Select(update => update.ResponseId).Distinct());
        }

        [Fact]
        public async Task A_response_is_the_stream_put_together()
        {
            var messages = new[]
            {
                new ChatMessage(ChatRole.System, "Be brief."), new ChatMessage(ChatRole.User, "Is 221 prime?"),
                new ChatMessage(ChatRole.Assistant, new List<AIContent>
                {
                    new TextReasoningContent("221 = 13 * 17"), new TextContent("No: 13 * 17."),
                }),
                new ChatMessage(ChatRole.User, "And 223? \U0001F600 \\ \"q\""),
            };
            var row = Scenarios.Rows("replies").Single(reply => Scenarios.Text(reply["name"]) == "messages");
            var expected = Scenarios.Map(row["expected"]);
            var response = await _client.GetResponseAsync(messages, new ChatOptions
            {
                Temperature = 0, MaxOutputTokens = 24, RawRepresentationFactory = _ => new Options { ThinkBudget = 8 },
            });
            Assert.Equal(Scenarios.Text(expected["answer"]).TrimStart(), response.Text);
            Assert.Equal((long)(double)expected["answer_tokens"]!,
                         response.Usage!.OutputTokenCount - response.Usage.ReasoningTokenCount);
        }

        [Fact]
        public async Task Forms_are_kept()
        {
            var response = await _client.GetResponseAsync("Hi", new ChatOptions
            {
                ResponseFormat = ChatResponseFormat.ForJsonSchema(Schema("prime")), MaxOutputTokens = 300, Seed = 1,
                RawRepresentationFactory = _ => new Options { ThinkBudget = 4 },
            });
            var prime = JsonDocument.Parse(response.Text).RootElement.GetProperty("prime").ValueKind;
            Assert.True(prime is JsonValueKind.True or JsonValueKind.False);
        }

        [Fact]
        public async Task Functions_are_called()
        {
            var options = new ChatOptions
            {
                Tools = new List<AITool> { new Twice() },
                ToolMode = ChatToolMode.RequireAny, MaxOutputTokens = 300, Seed = 5,
                RawRepresentationFactory = _ => new Options
                {
                    ThinkBudget = 4,
                    AnswerSampling = new Sampling { LogitBias = new Dictionary<int, float> { [256] = 1000 } },
                },
            };
            var response = await _client.GetResponseAsync("Double it.", options);
            var call = response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>().First();
            Assert.Equal("twice", call.Name);
            Assert.True(call.Arguments!.ContainsKey("again"));
            Assert.Equal(ChatFinishReason.ToolCalls, response.FinishReason);
            var messages = new List<ChatMessage> { new ChatMessage(ChatRole.User, "Double it.") };
            messages.AddRange(response.Messages);
            var result = new FunctionResultContent(call.CallId, 4);
            messages.Add(new ChatMessage(ChatRole.Tool, new List<AIContent> { result }));
            var second = await _client.GetResponseAsync(messages, new ChatOptions { MaxOutputTokens = 8 });
            Assert.Equal(8, second.Usage!.OutputTokenCount);
        }

        [Fact]
        public async Task What_cannot_be_is_said()
        {
            var picture = new UriContent("https://example.org/a.png", "image/png");
            var image = new ChatMessage(ChatRole.User, new List<AIContent> { picture });
            await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync(new[] { image }));
            using var cancel = new CancellationTokenSource();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                await foreach (var update in _client.GetStreamingResponseAsync("Hi", null, cancel.Token))
                {
                    cancel.Cancel();
                }
            });
            Assert.Equal("pensee", _client.GetService<ChatClientMetadata>()!.ProviderName);
            Assert.NotNull(_client.GetService<Model>());
        }

        /// <summary>Of an object with one flag: closed, so that a model of random weights comes to its end.</summary>
        private static JsonElement Schema(string flag)
        {
            var properties = "{\"" + flag + "\": {\"type\": \"boolean\"}}";
            return JsonDocument.Parse("{\"type\": \"object\", \"properties\": " + properties + ", \"required\": [\""
                + flag + "\"], \"additionalProperties\": false}").RootElement;
        }

        private sealed class Twice : AIFunctionDeclaration
        {
            public override string Name => "twice";
            public override string Description => "Doubles.";
            public override JsonElement JsonSchema => Schema("again");
        }
    }
}

// IChatClient over a Model: thoughts arrive as TextReasoningContent, answers as TextContent, tool calls as
// FunctionCallContent, and what it cost as UsageContent with the end. The client keeps no conversation: every request
// has a session of its own, and what the model computed for an earlier prompt that begins alike is used again.
using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;

namespace Pensee.Extensions.AI
{
    /// <summary>A chat client over a <see cref="Model"/>; any number of requests at once.</summary>
    public sealed class PenseeChatClient : IChatClient
    {
        private static readonly char[] Space = { ' ', '\t', '\r', '\n' };
        private readonly Model _model;
        private readonly bool _leaveOpen;
        private readonly ChatClientMetadata _metadata;

        /// <summary>Over `model`, which is disposed with the client unless <paramref name="leaveOpen"/>.</summary>
        public PenseeChatClient(Model model, bool leaveOpen = false)
        {
            _model = model ?? throw new ArgumentNullException(nameof(model));
            _leaveOpen = leaveOpen;
            var info = model.Info;
            _metadata = new ChatClientMetadata("pensee", null, info.Name.Length > 0 ? info.Name : info.Architecture);
        }

        /// <inheritdoc/>
        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null,
            CancellationToken cancellationToken = default)
        {
            var updates = GetStreamingResponseAsync(messages, options, cancellationToken);
            return updates.ToChatResponseAsync(cancellationToken);
        }

        /// <inheritdoc/>
        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null,
            CancellationToken cancellationToken = default)
        {
            if (messages == null) throw new ArgumentNullException(nameof(messages));
            var prompt = Requests.ToPrompt(messages, options);
            var native = Requests.ToOptions(this, options);
            return StreamAsync(prompt, native, cancellationToken);
        }

        /// <inheritdoc/>
        public object? GetService(Type serviceType, object? serviceKey = null)
        {
            if (serviceType == null) throw new ArgumentNullException(nameof(serviceType));
            if (serviceKey != null) return null;
            if (serviceType == typeof(ChatClientMetadata)) return _metadata;
            if (serviceType == typeof(Model)) return _model;
            return serviceType.IsInstanceOfType(this) ? this : null;
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            if (!_leaveOpen) _model.Dispose();
        }

        private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
            Prompt prompt, Options options, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var id = Guid.NewGuid().ToString("N");
            var answered = false;
            await using var stream = _model.Generate(prompt, options);
            for (;;)
            {
                var next = await stream.NextAsync(cancellationToken).ConfigureAwait(false);
                if (next == null) yield break;
                var content = ToContent(next, ref answered);
                if (content == null) continue;
                yield return new ChatResponseUpdate(ChatRole.Assistant, new List<AIContent> { content })
                {
                    ResponseId = id,
                    MessageId = id,
                    ModelId = _metadata.DefaultModelId,
                    CreatedAt = DateTimeOffset.UtcNow,
                    FinishReason = next is Event.End end ? ToFinishReason(end.FinishReason) : null,
                    RawRepresentation = next,
                };
            }
        }

        /// <summary>null where an event brings nothing to see. The space before an answer is the tags'.</summary>
        private static AIContent? ToContent(Event next, ref bool answered)
        {
            switch (next)
            {
                case Event.Thought thought:
                    return thought.Text.Length == 0 ? null : new TextReasoningContent(thought.Text);
                case Event.Answer answer:
                    var text = answered ? answer.Text : answer.Text.TrimStart(Space);
                    if (text.Length == 0) return null;
                    answered = true;
                    return new TextContent(text);
                case Event.ToolCall { Call: { } call }:
                    return FunctionCallContent.CreateFromParsedArguments(
                        call.ArgumentsJson, call.Id, call.Name, ToArguments);
                case Event.End end:
                    return new UsageContent(ToUsage(end.Usage));
                default:
                    return null;
            }
        }

        private static IDictionary<string, object?> ToArguments(string json)
        {
            var arguments = new Dictionary<string, object?>();
            using var document = JsonDocument.Parse(json);
            foreach (var member in document.RootElement.EnumerateObject())
            {
                arguments[member.Name] = member.Value.Clone();
            }
            return arguments;
        }

        private static UsageDetails ToUsage(Usage usage)
        {
            return new UsageDetails
            {
                InputTokenCount = usage.PromptTokens,
                CachedInputTokenCount = usage.CachedTokens,
                OutputTokenCount = usage.ThoughtTokens + usage.AnswerTokens,
                ReasoningTokenCount = usage.ThoughtTokens,
                TotalTokenCount = usage.PromptTokens + usage.ThoughtTokens + usage.AnswerTokens,
            };
        }

        private static ChatFinishReason? ToFinishReason(FinishReason reason)
        {
            switch (reason)
            {
                case FinishReason.Length: return ChatFinishReason.Length;
                case FinishReason.ToolCall: return ChatFinishReason.ToolCalls;
                case FinishReason.Cancelled: return null;
                default: return ChatFinishReason.Stop;
            }
        }
    }

    /// <summary>Extensions of <see cref="Model"/>.</summary>
    public static class ModelExtensions
    {
        /// <summary>The model as a chat client. Disposing the client leaves the model open.</summary>
        public static IChatClient AsIChatClient(this Model model)
        {
            return new PenseeChatClient(model, leaveOpen: true);
        }
    }
}

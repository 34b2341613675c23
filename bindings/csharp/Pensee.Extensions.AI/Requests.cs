// From Microsoft.Extensions.AI's messages and options to Pensee's. What a request asks for and the library has not (an
// image, a hosted tool, a conversation kept by the service) is a NotSupportedException: nothing is left out in silence.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Pensee.Extensions.AI
{
    internal static class Requests
    {
        private const string AnyObject = "{\"type\": \"object\"}";

        internal static Prompt ToPrompt(IEnumerable<ChatMessage> messages, ChatOptions? options)
        {
            var all = new List<Message>();
            if (!string.IsNullOrEmpty(options?.Instructions)) all.Add(Message.System(options!.Instructions!));
            foreach (var message in messages) Add(all, message);
            var prompt = Prompt.FromMessages(all);
            var tools = ToTools(options);
            return tools.Length == 0 ? prompt : prompt.WithTools(tools);
        }

        internal static Options ToOptions(IChatClient client, ChatOptions? from)
        {
            var to = from?.RawRepresentationFactory?.Invoke(client) as Options ?? new Options();
            if (from == null) return to;
            if (from.ConversationId != null) throw Unsupported("a ConversationId; give it the whole conversation");
            to.Temperature = from.Temperature ?? to.Temperature;
            to.TopP = from.TopP ?? to.TopP;
            to.TopK = from.TopK ?? to.TopK;
            to.FrequencyPenalty = from.FrequencyPenalty ?? to.FrequencyPenalty;
            to.PresencePenalty = from.PresencePenalty ?? to.PresencePenalty;
            to.MaxTokens = from.MaxOutputTokens ?? to.MaxTokens;
            if (from.Seed is { } seed) to.Seed = unchecked((ulong)seed);
            if (from.StopSequences is { Count: > 0 } stop) to.Stop = stop.ToArray();
            if (from.Reasoning?.Effort is { } effort) to.Effort = ToEffort(effort);
            if (from.ResponseFormat is ChatResponseFormatJson json)
            {
                to.JsonSchema = json.Schema is { } schema ? schema.GetRawText() : AnyObject;
            }
            if (from.ToolMode is NoneChatToolMode) to.ToolChoice = ToolChoice.None;
            else if (from.ToolMode is RequiredChatToolMode) to.ToolChoice = ToolChoice.Required;
            return to;
        }

        private static Tool[] ToTools(ChatOptions? options)
        {
            if (options?.Tools == null) return Array.Empty<Tool>();
            var required = (options.ToolMode as RequiredChatToolMode)?.RequiredFunctionName;
            var tools = new List<Tool>();
            foreach (var tool in options.Tools)
            {
                if (tool is not AIFunctionDeclaration function) throw Unsupported("the tool " + tool.Name);
                if (required != null && function.Name != required) continue;
                tools.Add(new Tool(function.Name, function.Description, function.JsonSchema.GetRawText()));
            }
            return tools.ToArray();
        }

        private static void Add(List<Message> all, ChatMessage message)
        {
            var text = new StringBuilder();
            var thought = new StringBuilder();
            var calls = new List<ToolCall>();
            var results = new List<Message>();
            foreach (var content in message.Contents)
            {
                switch (content)
                {
                    case TextContent part:
                        text.Append(part.Text);
                        break;
                    case TextReasoningContent part:
                        thought.Append(part.Text);
                        break;
                    case FunctionCallContent call:
                        calls.Add(new ToolCall(call.CallId, call.Name, ToJson(call.Arguments) ?? "{}"));
                        break;
                    case FunctionResultContent result:
                        results.Add(Message.Tool(result.CallId, ToText(result)));
                        break;
                    case UsageContent:
                    case ErrorContent:
                        break; // of an earlier response; nothing for the model
                    default:
                        throw Unsupported("a " + content.GetType().Name + " in a message");
                }
            }
            all.AddRange(results);
            if (results.Count > 0 && text.Length == 0) return;
            if (message.Role == ChatRole.Assistant)
            {
                all.Add(Message.Assistant(text.ToString(), thought.Length > 0 ? thought.ToString() : null, calls));
            }
            else
            {
                var plain = text.ToString();
                all.Add(message.Role == ChatRole.System ? Message.System(plain) : Message.User(plain));
            }
        }

        private static string ToText(FunctionResultContent result)
        {
            if (result.Exception != null) return "Error: " + result.Exception.Message;
            return result.Result as string ?? ToJson(result.Result) ?? "";
        }

        private static string? ToJson(object? value)
        {
            if (value == null) return null;
            return JsonSerializer.Serialize(value, value.GetType(), AIJsonUtilities.DefaultOptions);
        }

        private static Effort ToEffort(ReasoningEffort effort)
        {
            switch (effort)
            {
                case ReasoningEffort.None: return Effort.None;
                case ReasoningEffort.Low: return Effort.Low;
                case ReasoningEffort.Medium: return Effort.Medium;
                case ReasoningEffort.High: return Effort.High;
                default: return Effort.Xhigh;
            }
        }

        private static NotSupportedException Unsupported(string what)
        {
            return new NotSupportedException("Pensee has no use for " + what);
        }
    }
}

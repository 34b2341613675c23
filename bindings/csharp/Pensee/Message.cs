// A conversation: OpenAI-shaped messages and tools, written as JSON by hand so that the binding needs no JSON library.
// A message is kept as its JSON text; FromJson takes one that was written elsewhere.
using System;
using System.Collections.Generic;

namespace Pensee
{
    /// <summary>An OpenAI-shaped message of a conversation.</summary>
    public sealed class Message
    {
        private Message(string role, string json)
        {
            Role = role;
            Json = json;
        }

        /// <summary>"system", "user", "assistant", "tool"; "" where the message came as JSON.</summary>
        public string Role { get; }

        /// <summary>The message as a JSON object.</summary>
        public string Json { get; }

        /// <summary>What the model is told to be.</summary>
        public static Message System(string content)
        {
            return Of("system", content, null, null, null);
        }

        /// <summary>What the user says.</summary>
        public static Message User(string content)
        {
            return Of("user", content, null, null, null);
        }

        /// <summary>What the model said, with its thought and its tool calls where there were any. A reply's own is
        /// <see cref="Reply.Message"/>.</summary>
        public static Message Assistant(string content, string? thought = null, IEnumerable<ToolCall>? toolCalls = null)
        {
            return Of("assistant", content, thought, toolCalls, null);
        }

        /// <summary>The result of a tool call.</summary>
        public static Message Tool(string toolCallId, string content)
        {
            if (toolCallId == null) throw new ArgumentNullException(nameof(toolCallId));
            return Of("tool", content, null, null, toolCallId);
        }

        /// <summary>A message that is written already, as a JSON object.</summary>
        public static Message FromJson(string json)
        {
            if (json == null) throw new ArgumentNullException(nameof(json));
            return new Message("", json);
        }

        /// <summary>The JSON text.</summary>
        public override string ToString()
        {
            return Json;
        }

        private static Message Of(string role, string content, string? thought, IEnumerable<ToolCall>? toolCalls,
                                  string? toolCallId)
        {
            if (content == null) throw new ArgumentNullException(nameof(content));
            var json = new JsonText();
            json.Begin("role", role).Add("content", content);
            if (thought != null) json.Add("reasoning_content", thought);
            if (toolCallId != null) json.Add("tool_call_id", toolCallId);
            if (toolCalls != null)
            {
                var calls = new List<string>();
                foreach (var call in toolCalls)
                {
                    var function = new JsonText().Begin("name", call.Name).Add("arguments", call.ArgumentsJson).End();
                    calls.Add(new JsonText().Begin("id", call.Id).Add("type", "function").AddRaw("function", function)
                                            .End());
                }
                if (calls.Count > 0) json.AddRaw("tool_calls", "[" + string.Join(", ", calls) + "]");
            }
            return new Message(role, json.End());
        }
    }

    /// <summary>A tool that the model may call.</summary>
    public sealed class Tool
    {
        private Tool(string json)
        {
            Json = json;
        }

        /// <summary>A function: its name, what it is good for, and the JSON schema of its arguments.</summary>
        public Tool(string name, string description, string parametersJson)
        {
            if (parametersJson == null) throw new ArgumentNullException(nameof(parametersJson));
            var function = new JsonText().Begin("name", name).Add("description", description)
                                         .AddRaw("parameters", parametersJson).End();
            Json = new JsonText().Begin("type", "function").AddRaw("function", function).End();
        }

        /// <summary>The tool as an OpenAI-shaped JSON object.</summary>
        public string Json { get; }

        /// <summary>A tool that is written already, as an OpenAI-shaped JSON object.</summary>
        public static Tool FromJson(string json)
        {
            if (json == null) throw new ArgumentNullException(nameof(json));
            return new Tool(json);
        }
    }

    /// <summary>A call of one of the tools.</summary>
    public sealed class ToolCall
    {
        /// <summary>Makes one.</summary>
        public ToolCall(string id, string name, string argumentsJson)
        {
            Id = id;
            Name = name;
            ArgumentsJson = argumentsJson;
        }

        /// <summary>To be repeated in the message with the result: <see cref="Message.Tool"/>.</summary>
        public string Id { get; }
        /// <summary>Of the tool.</summary>
        public string Name { get; }
        /// <summary>A JSON object.</summary>
        public string ArgumentsJson { get; }

        /// <summary>For a debugger: name(arguments).</summary>
        public override string ToString()
        {
            return Name + "(" + ArgumentsJson + ")";
        }
    }
}

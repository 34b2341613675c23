// What to continue: one question, a conversation, or raw token ids. Strings, arrays of messages and arrays of ids
// become prompts by themselves wherever one is expected.
using System;
using System.Collections.Generic;
using System.Linq;

namespace Pensee
{
    /// <summary>What to continue: a question, a conversation, or token ids.</summary>
    public sealed class Prompt
    {
        private Prompt()
        {
        }

        /// <summary>One question of a user, put through the chat template; as it stands where the model has
        /// none.</summary>
        public string? Text { get; private set; }
        /// <summary>The system message before <see cref="Text"/>.</summary>
        public string? System { get; private set; }
        /// <summary>The whole conversation: a JSON array of OpenAI-shaped messages.</summary>
        public string? MessagesJson { get; private set; }
        /// <summary>The tools: a JSON array, given to the template.</summary>
        public string? ToolsJson { get; private set; }
        /// <summary>Token ids, raw: no template, no BOS.</summary>
        public IReadOnlyList<int>? Ids { get; private set; }

        /// <summary>A question, and the system message before it.</summary>
        public static Prompt FromText(string text, string? system = null)
        {
            if (text == null) throw new ArgumentNullException(nameof(text));
            return new Prompt { Text = text, System = system };
        }

        /// <summary>A whole conversation.</summary>
        public static Prompt FromMessages(IEnumerable<Message> messages)
        {
            if (messages == null) throw new ArgumentNullException(nameof(messages));
            return FromMessagesJson("[" + string.Join(", ", messages.Select(message => message.Json)) + "]");
        }

        /// <summary>A whole conversation as a JSON array of OpenAI-shaped messages; "reasoning_content" holds a
        /// thought.
        /// </summary>
        public static Prompt FromMessagesJson(string json)
        {
            if (json == null) throw new ArgumentNullException(nameof(json));
            return new Prompt { MessagesJson = json };
        }

        /// <summary>Token ids, as <see cref="Model.Tokenize"/> gives them.</summary>
        public static Prompt FromIds(IEnumerable<int> ids)
        {
            if (ids == null) throw new ArgumentNullException(nameof(ids));
            return new Prompt { Ids = ids.ToArray() };
        }

        /// <summary>The same prompt with tools.</summary>
        public Prompt WithTools(params Tool[] tools)
        {
            if (tools == null) throw new ArgumentNullException(nameof(tools));
            return WithToolsJson("[" + string.Join(", ", tools.Select(tool => tool.Json)) + "]");
        }

        /// <summary>The same prompt with tools, a JSON array of OpenAI-shaped ones.</summary>
        public Prompt WithToolsJson(string json)
        {
            if (json == null) throw new ArgumentNullException(nameof(json));
            return new Prompt
            {
                Text = Text, System = System, MessagesJson = MessagesJson, Ids = Ids, ToolsJson = json,
            };
        }

        /// <summary>A question.</summary>
        public static implicit operator Prompt(string text)
        {
            return FromText(text);
        }

        /// <summary>A conversation.</summary>
        public static implicit operator Prompt(Message[] messages)
        {
            return FromMessages(messages);
        }

        /// <summary>A conversation.</summary>
        public static implicit operator Prompt(List<Message> messages)
        {
            return FromMessages(messages);
        }

        /// <summary>Token ids.</summary>
        public static implicit operator Prompt(int[] ids)
        {
            return FromIds(ids);
        }
    }
}

// What a stream brings: one class for each kind of event, nested in Event so that `case Event.Thought thought:` reads
// as it is meant and nobody can add a kind.
using System.Collections.Generic;

namespace Pensee
{
    /// <summary>A piece of a stream. Each generated token is the <see cref="TokenId"/> of exactly one event, sent as
    /// soon
    /// as it is known; its text may be empty (a tag, a part of a character) and come with a later event.</summary>
    public abstract class Event
    {
        private Event(EventData data)
        {
            Text = data.Text;
            TokenId = data.TokenId < 0 ? (int?)null : data.TokenId;
            Logprob = data.TokenId < 0 ? (float?)null : data.Logprob;
            Position = data.TokenId < 0 ? (long?)null : data.Position;
            Alternatives = data.Alternatives;
            Sample = data.Sample;
            Forced = data.Forced;
            Experts = data.Experts;
        }

        /// <summary>Which of the four classes it is, as a number to switch over.</summary>
        public abstract EventKind Kind { get; }
        /// <summary>Text of the piece; may be "". No event ends inside a character.</summary>
        public string Text { get; }
        /// <summary>null at the end, and where a token's text was split over two events.</summary>
        public int? TokenId { get; }
        /// <summary>Natural logarithm of the token's probability, at temperature 1; null without a token.</summary>
        public float? Logprob { get; }
        /// <summary>Of the token in the context; null without a token.</summary>
        public long? Position { get; }
        /// <summary>What could have come instead, best first; as many as <see cref="Options.TopLogprobs"/>.</summary>
        public IReadOnlyList<Alternative> Alternatives { get; }
        /// <summary>Which of <see cref="Options.N"/>.</summary>
        public int Sample { get; }
        /// <summary>The library put the token: a prefix, the end of a thought.</summary>
        public bool Forced { get; }
        /// <summary>With <see cref="Options.TraceExperts"/>: the experts of the pass that gave the token.</summary>
        public Routing? Experts { get; }

        /// <summary>The text.</summary>
        public override string ToString()
        {
            return Text;
        }

        /// <summary>A piece of the thought.</summary>
        public sealed class Thought : Event
        {
            internal Thought(EventData data) : base(data)
            {
            }

            /// <inheritdoc/>
            public override EventKind Kind => EventKind.Thought;
        }

        /// <summary>A piece of the answer.</summary>
        public sealed class Answer : Event
        {
            internal Answer(EventData data) : base(data)
            {
            }

            /// <inheritdoc/>
            public override EventKind Kind => EventKind.Answer;
        }

        /// <summary>A piece of a tool call as it is written.</summary>
        public sealed class ToolCall : Event
        {
            internal ToolCall(EventData data) : base(data)
            {
                Call = data.Call;
            }

            /// <inheritdoc/>
            public override EventKind Kind => EventKind.ToolCall;
            /// <summary>With the last event of a call; null in those before it, which bring its text alone.</summary>
            public Pensee.ToolCall? Call { get; }
        }

        /// <summary>The end of a sample.</summary>
        public sealed class End : Event
        {
            internal End(EventData data, Usage usage) : base(data)
            {
                FinishReason = data.FinishReason;
                Usage = usage;
            }

            /// <inheritdoc/>
            public override EventKind Kind => EventKind.End;
            /// <summary>Why.</summary>
            public FinishReason FinishReason { get; }
            /// <summary>What it cost.</summary>
            public Usage Usage { get; }
        }
    }

    /// <summary>A token that could have come instead.</summary>
    public struct Alternative
    {
        /// <summary>Makes one.</summary>
        public Alternative(int tokenId, float logprob)
        {
            TokenId = tokenId;
            Logprob = logprob;
        }

        /// <summary>Its id.</summary>
        public int TokenId { get; }
        /// <summary>Natural logarithm, at temperature 1, before top-k and the like.</summary>
        public float Logprob { get; }
    }

    /// <summary>What an event is made of.</summary>
    internal sealed class EventData
    {
        internal EventKind Kind;
        internal string Text = "";
        internal int TokenId = -1;
        internal float Logprob;
        internal long Position;
        internal IReadOnlyList<Alternative> Alternatives = new Alternative[0];
        internal int Sample;
        internal bool Forced;
        internal Routing? Experts;
        internal Pensee.ToolCall? Call;
        internal FinishReason FinishReason;
    }
}

package org.pensee;

import java.util.List;

/**
 * A piece of a stream: of the thought, of the answer, of a tool call, or the end. Each generated token comes with
 * exactly one event, sent as soon as it is known; its text may be empty (a tag, a part of a character) and come with a
 * later event. No event ends inside a character.
 */
public sealed interface Event {
    /** The kind of an event, to switch over. */
    enum Kind {
        /** A piece of the thought. */
        THOUGHT(1),
        /** A piece of the answer. */
        ANSWER(2),
        /** A piece of a tool call; the last one of a call has its id, name and arguments. */
        TOOL_CALL(3),
        /** The end, with usage. */
        END(4);

        final int value;

        Kind(int value) {
            this.value = value;
        }
    }

    /**
     * Which of the four records it is.
     *
     * @return never null
     */
    Kind kind();

    /**
     * Text of the piece.
     *
     * @return may be ""
     */
    String text();

    /**
     * The token that the event brings.
     *
     * @return null at the end, and where a token's text was split over two events
     */
    Token token();

    /**
     * Which of {@link Options#n()}.
     *
     * @return from 0 on
     */
    int sample();

    /**
     * The token's id.
     *
     * @return -1: no token
     */
    default int tokenId() {
        return token() == null ? -1 : token().id();
    }

    /**
     * A generated token.
     *
     * @param id           its id
     * @param logprob      natural logarithm of its probability, at temperature 1
     * @param position     of the token in the context
     * @param alternatives what could have come instead, best first; as many as {@link Options#topLogprobs()}
     * @param forced       the library put the token: a prefix, the end of a thought
     * @param experts      with {@link Options#traceExperts()}: those of the pass that gave the token; else null
     */
    record Token(int id, float logprob, long position, List<Alternative> alternatives, boolean forced,
                 Routing experts) {
    }

    /**
     * A token that could have come instead.
     *
     * @param tokenId its id
     * @param logprob natural logarithm, at temperature 1, before top-k and the like
     */
    record Alternative(int tokenId, float logprob) {
    }

    /**
     * A piece of the thought.
     *
     * @param text   may be ""
     * @param token  null: none
     * @param sample which of {@link Options#n()}
     */
    record Thought(String text, Token token, int sample) implements Event {
        @Override
        public Kind kind() {
            return Kind.THOUGHT;
        }
    }

    /**
     * A piece of the answer.
     *
     * @param text   may be ""
     * @param token  null: none
     * @param sample which of {@link Options#n()}
     */
    record Answer(String text, Token token, int sample) implements Event {
        @Override
        public Kind kind() {
            return Kind.ANSWER;
        }
    }

    /**
     * A piece of a tool call as it is written.
     *
     * @param text   may be ""
     * @param token  null: none
     * @param sample which of {@link Options#n()}
     * @param call   with the last event of a call; null in those before it, which bring its text alone
     */
    record ToolCall(String text, Token token, int sample, org.pensee.ToolCall call) implements Event {
        @Override
        public Kind kind() {
            return Kind.TOOL_CALL;
        }
    }

    /**
     * The end of a sample.
     *
     * @param sample       which of {@link Options#n()}
     * @param finishReason why
     * @param usage        what it cost
     */
    record End(int sample, FinishReason finishReason, Usage usage) implements Event {
        @Override
        public Kind kind() {
            return Kind.END;
        }

        @Override
        public String text() {
            return "";
        }

        @Override
        public Token token() {
            return null;
        }
    }
}

package org.pensee;

/** Why a reply ended. */
public enum FinishReason {
    /** It has not. */
    NONE(0),
    /** End of text, or a stop string. */
    STOP(1),
    /** The limit of tokens, or the context is full. */
    LENGTH(2),
    /** As {@link #STOP}, after the think budget had closed the thought. */
    BUDGET(3),
    /** As {@link #STOP}, after a thought that went in circles was closed. */
    LOOP(4),
    /** Somebody cancelled it. */
    CANCELLED(5),
    /** As {@link #STOP}, with at least one tool call: answer it with a message of role "tool". */
    TOOL_CALL(6),
    /** An error, which was thrown as {@link PenseeException}. */
    ERROR(7);

    /** pensee.h's number. */
    final int value;

    FinishReason(int value) {
        this.value = value;
    }

    static FinishReason of(int value) {
        for (FinishReason each : values()) {
            if (each.value == value) return each;
        }
        return NONE;
    }
}

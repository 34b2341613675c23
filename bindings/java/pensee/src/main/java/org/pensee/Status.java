package org.pensee;

/**
 * What went wrong. Tens tell the kind: 1x argument, 2x file, 3x memory, 4x unsupported, 5x state, 6x cancelled, 9x a
 * bug of the library's.
 */
public enum Status {
    /** Nothing. */
    OK(0),
    /** Out of range, invalid UTF-8, a token id that is none. */
    BAD_ARGUMENT(10),
    /** There is no such file. */
    FILE_NOT_FOUND(20),
    /** Truncated, lying header, wrong shapes. */
    FILE_CORRUPT(21),
    /** The system refused to read. */
    FILE_IO(22),
    /** An allocation failed, or {@link ModelOptions#memoryBudget()} forbids it. */
    OUT_OF_MEMORY(30),
    /** A valid wish that this build or release cannot fulfil. */
    UNSUPPORTED(40),
    /** The session already streams; or too many generations wait already. */
    BUSY(50),
    /** The prompt is longer than the context. */
    CONTEXT_FULL(51),
    /** The end was already delivered. */
    NO_MORE_EVENTS(52),
    /** Cancelled. */
    CANCELLED(60),
    /** A callback stopped the call. */
    STOPPED_BY_CALLBACK(61),
    /** No event came in time; the stream goes on. */
    TIMEOUT(62),
    /** A bug of the library: please report it. */
    INTERNAL(90);

    /** pensee.h's number. */
    final int value;

    Status(int value) {
        this.value = value;
    }

    static Status of(int value) {
        for (Status each : values()) {
            if (each.value == value) return each;
        }
        return INTERNAL;
    }
}

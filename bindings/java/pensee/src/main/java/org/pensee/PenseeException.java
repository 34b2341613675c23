package org.pensee;

import java.nio.charset.StandardCharsets;

/**
 * A call of the library failed. {@link #getMessage} says what, where (file, tensor, byte) and what to try;
 * {@link #status} is the kind, to decide on. Misuse that Java knows a type for is of that type: a closed handle is an
 * {@link IllegalStateException}, null a {@link NullPointerException}.
 */
public final class PenseeException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** The kind of failure. */
    private final Status status;

    /**
     * Makes one.
     *
     * @param status  the kind of failure
     * @param message what happened, where, and what to try
     */
    public PenseeException(Status status, String message) {
        super(message);
        this.status = status;
    }

    /**
     * The kind of failure.
     *
     * @return never {@link Status#OK}
     */
    public Status status() {
        return status;
    }

    /** For the native code. */
    static PenseeException of(int status, byte[] message) {
        return new PenseeException(Status.of(status), new String(message, StandardCharsets.UTF_8));
    }

    static PenseeException badArgument(String name, String what) {
        return new PenseeException(Status.BAD_ARGUMENT, name + ": " + what);
    }
}

package org.pensee;

/** The native library itself. */
public final class Library {
    private Library() {
    }

    /**
     * Version of the native library that is loaded.
     *
     * @return "0.2.0"
     */
    public static String version() {
        return Texts.orEmpty(Native.pensee_version_text());
    }

    /**
     * The meaning of a status and a remedy.
     *
     * @param status which
     * @return one sentence
     */
    public static String describe(Status status) {
        return Texts.orEmpty(Native.pensee_status_text(status.value));
    }
}

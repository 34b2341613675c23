package org.pensee;

import java.util.function.Function;

/**
 * A progress callback as the library calls it. An exception may not pass through the library's frames, so it is kept,
 * cancels the call, and is thrown again when the call has come back.
 */
final class ProgressCall extends pensee_progress {
    private final Progress progress;
    private Throwable thrown;

    private ProgressCall(Progress progress) {
        this.progress = progress;
    }

    @Override
    public int at(float fraction) {
        if (thrown != null) return 1;
        try {
            return progress.at(fraction) ? 0 : 1;
        } catch (Throwable error) {
            thrown = error;
            return 1;
        }
    }

    /** The result of `call`, which may call back; null: nobody is told. */
    static <T> T run(Progress progress, Function<ProgressCall, T> call) {
        if (progress == null) return call.apply(null);
        final ProgressCall told = new ProgressCall(progress);
        try {
            return call.apply(told);
        } catch (PenseeException cancelled) {
            if (told.thrown != null) throw ProgressCall.<RuntimeException>unchecked(told.thrown);
            throw cancelled;
        } finally {
            told.delete();
        }
    }

    /** A Progress declares nothing checked, but Kotlin's may throw what they like. */
    @SuppressWarnings("unchecked")
    private static <E extends Throwable> E unchecked(Throwable error) throws E {
        throw (E) error;
    }
}

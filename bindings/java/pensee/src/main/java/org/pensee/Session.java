package org.pensee;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongFunction;
import java.util.function.LongUnaryOperator;

/**
 * A conversation's memory. Hand it the whole conversation each time: only what is new after the longest common prefix
 * is computed ({@link Usage#cachedTokens()}). One reply at a time: {@link Status#BUSY}. {@link #cancel},
 * {@link #endThought} and {@link #close} from any thread.
 */
public final class Session implements Generator, AutoCloseable {
    private final Handle handle;
    private final ModelInfo info;
    private final Object turn = new Object();
    private boolean generates;

    Session(long pointer, ModelInfo info) {
        this.handle = new Handle(pointer, this, Native::pensee_session_free);
        this.info = info;
    }

    /**
     * The tokens that the session has computed.
     *
     * @return their ids
     */
    public int[] tokens() {
        return shortCall(session -> Reading.ints(
            256, (ids, size) -> Native.pensee_session_tokens(session, ids, size)));
    }

    @Override
    public Stream generate(Prompt prompt, Options options) {
        try (Request request = new Request(prompt, options)) {
            return shortCall(session -> new Stream(
                Native.pensee_stream_open(session, request.prompt, request.options), info, Math.max(1, options.n())));
        }
    }

    @Override
    public Reply ask(Prompt prompt, Options options) {
        try (Request request = new Request(prompt, options)) {
            return Reading.take(
                longCall(session -> Native.pensee_session_ask(session, request.prompt, request.options)),
                options.traceExperts());
        }
    }

    @Override
    public CompletableFuture<Reply> askAsync(Prompt prompt, Options options) {
        return Work.start(() -> ask(prompt, options), this::cancel);
    }

    @Override
    public Vote vote(Prompt prompt, Options options, VoteOptions voteOptions) {
        final pensee_vote_options how = new pensee_vote_options();
        try (Request request = new Request(prompt, options)) {
            how.setN(voteOptions.n());
            how.setWeighting(voteOptions.weighting().value);
            how.setAll(voteOptions.all() ? 1 : 0);
            how.setAt_once(voteOptions.atOnce());
            return Reading.takeVote(
                longCall(session -> Native.pensee_session_vote(session, request.prompt, request.options, how)),
                options.traceExperts());
        } finally {
            how.delete();
        }
    }

    @Override
    public CompletableFuture<Vote> voteAsync(Prompt prompt, Options options, VoteOptions voteOptions) {
        return Work.start(() -> vote(prompt, options, voteOptions), this::cancel);
    }

    /** Stops what the session generates, within one token or one chunk of the prompt. Any thread. */
    public void cancel() {
        try (Handle.Use session = handle.use()) {
            Native.pensee_session_cancel(session.pointer);
        }
    }

    /** Closes the thought of what the session generates; the answer follows. Any thread. */
    public void endThought() {
        try (Handle.Use session = handle.use()) {
            Native.pensee_session_end_thought(session.pointer);
        }
    }

    /**
     * A session of its own that knows what this one knows. Cheap: what was computed is shared.
     *
     * @return to be closed
     */
    public Session fork() {
        return shortCall(session -> new Session(Native.pensee_session_fork(session), info));
    }

    /**
     * Forgets all but the first tokens.
     *
     * @param tokens how many to keep
     */
    public void rewind(long tokens) {
        if (tokens < 0) throw PenseeException.badArgument("tokens", "is negative");
        shortCall(session -> {
            Native.pensee_session_rewind(session, tokens);
            return null;
        });
    }

    /**
     * Writes what was computed to a file, atomically; {@link Model#restore(Path)} reads it.
     *
     * @param path of the file
     */
    public void save(Path path) {
        final String file = Texts.checked(path.toFile().getPath(), "path");
        shortCall(session -> {
            Native.pensee_session_save(session, file);
            return null;
        });
    }

    /**
     * {@link #save} into memory; {@link Model#restore(byte[])} reads it.
     *
     * @return the bytes
     */
    public byte[] toBytes() {
        return shortCall(session -> {
            final int size = Math.toIntExact(Native.pensee_session_save_memory(session, null, 0));
            final ByteBuffer buffer = ByteBuffer.allocateDirect(size);
            final int written = Math.toIntExact(Native.pensee_session_save_memory(session, buffer, size));
            final byte[] bytes = new byte[written];
            buffer.get(bytes);
            return bytes;
        });
    }

    /** Forgets everything. A stream that still runs goes on to its end. May be called again. */
    @Override
    public void close() {
        handle.close();
    }

    /** The library lets one thread at a time use a session; short calls wait for each other. */
    private <T> T shortCall(LongFunction<T> call) {
        try (Handle.Use session = handle.use()) {
            synchronized (turn) {
                if (generates) throw busy();
                return call.apply(session.pointer);
            }
        }
    }

    /** A call that lasts as long as a reply: others that come meanwhile are told so. */
    private long longCall(LongUnaryOperator call) {
        try (Handle.Use session = handle.use()) {
            synchronized (turn) {
                if (generates) throw busy();
                generates = true;
            }
            try {
                return call.applyAsLong(session.pointer);
            } finally {
                synchronized (turn) {
                    generates = false;
                }
            }
        }
    }

    private static PenseeException busy() {
        return new PenseeException(Status.BUSY, "the session generates a reply on another thread; wait for it, "
            + "cancel it, or use a session of its own");
    }
}

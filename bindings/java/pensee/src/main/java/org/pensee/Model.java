package org.pensee;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Weights, tokenizer and chat template. Any number of threads may use one model at once. Closing gives the memory back
 * as soon as its last session and stream are gone too; afterwards methods throw IllegalStateException.
 */
public final class Model implements Generator, AutoCloseable {
    private static final int ADD_SPECIAL = 1; // flags of pensee.h
    private static final int PLAIN_TEXT = 2;
    private static final int SKIP_SPECIAL = 4;
    private static final int IN_THOUGHT = 1;
    private static final ModelOptions DEFAULT = ModelOptions.builder().build();
    private final Handle handle;
    private final Object setting = new Object();
    private volatile ModelInfo info;

    /**
     * The default model: pensee-mini.gguf of the jar pensee-mini, else what is installed beside the native library;
     * {@link Status#UNSUPPORTED} where there is neither.
     */
    public Model() {
        this((String) null, DEFAULT);
    }

    /**
     * Opens a GGUF file (of a split one the first part), a .safetensors file with its config.json beside it, a Hugging
     * Face folder, or a file of {@link #savePacked}.
     *
     * @param path of it; null: the default model
     */
    public Model(String path) {
        this(path, DEFAULT);
    }

    /**
     * Opens a GGUF file, a .safetensors file, or a folder.
     *
     * @param path    of it; null: the default model
     * @param options how
     */
    public Model(String path, ModelOptions options) {
        this(path == null ? Opening.openDefault(options)
             : Opening.open(options, to -> Native.pensee_model_open(Texts.checked(path, "path"), to)));
    }

    /**
     * Opens a GGUF file, a .safetensors file, or a folder.
     *
     * @param path of it
     */
    public Model(Path path) {
        this(path.toFile().getPath(), DEFAULT);
    }

    /**
     * Opens a GGUF file, a .safetensors file, or a folder.
     *
     * @param path    of it
     * @param options how
     */
    public Model(Path path, ModelOptions options) {
        this(path.toFile().getPath(), options);
    }

    private Model(long pointer) {
        handle = new Handle(pointer, this, Native::pensee_model_free);
        info = info(pointer);
    }

    /**
     * A GGUF in memory.
     *
     * @param data    from its position to its limit; a direct buffer (a mapped file) is read where it lies, and during
     *                the call only
     * @param options how
     * @return to be closed
     */
    public static Model fromMemory(ByteBuffer data, ModelOptions options) {
        final ByteBuffer direct = Opening.direct(data);
        return new Model(Opening.open(options, to -> Native.pensee_model_open_memory(direct, direct.remaining(), to)));
    }

    /**
     * A GGUF in memory.
     *
     * @param data the file
     * @return to be closed
     */
    public static Model fromMemory(byte[] data) {
        return fromMemory(ByteBuffer.wrap(data), DEFAULT);
    }

    /**
     * A GGUF inside a file.
     *
     * @param path    of the file
     * @param offset  where the GGUF begins
     * @param length  its bytes; 0: to the end of the file
     * @param options how
     * @return to be closed
     */
    public static Model fromFile(Path path, long offset, long length, ModelOptions options) {
        Opening.checkPart(offset, length);
        final String file = Texts.checked(path.toFile().getPath(), "path");
        return new Model(Opening.open(options, to -> Native.pensee_model_open_part(file, offset, length, to)));
    }

    /**
     * A GGUF inside a file that is open already, as Android's ParcelFileDescriptor and AssetFileDescriptor tell.
     *
     * @param fd      the descriptor, which is duplicated: close yours when you like
     * @param offset  where the GGUF begins
     * @param length  its bytes; 0: to the end of the file
     * @param options how
     * @return to be closed
     */
    public static Model fromFileDescriptor(int fd, long offset, long length, ModelOptions options) {
        Opening.checkPart(offset, length);
        return new Model(Opening.open(options, to -> Native.pensee_model_open_fd(fd, offset, length, to)));
    }

    /**
     * What the model is and costs. Stays readable when the model is closed.
     *
     * @return never null
     */
    public ModelInfo info() {
        return info;
    }

    /**
     * What the model takes now.
     *
     * @return in bytes
     */
    public Memory memory() {
        final pensee_memory memory = new pensee_memory();
        try (Handle.Use model = use()) {
            Native.pensee_model_get_memory(model.pointer, memory);
            return new Memory(memory.getBudget(), memory.getUsed(), memory.getWeights(), memory.getPrefix_cache(),
                              memory.getScratch(), memory.getMapped());
        } finally {
            memory.delete();
        }
    }

    /**
     * Token ids of a text; special tokens in it become themselves.
     *
     * @param text any
     * @return the ids
     */
    public int[] tokenize(String text) {
        return tokenize(text, false, false);
    }

    /**
     * Token ids of a text.
     *
     * @param text       any
     * @param addSpecial with what the model puts around a text (BOS)
     * @param plainText  "&lt;|im_end|&gt;" in the text stays text
     * @return the ids
     */
    public int[] tokenize(String text, boolean addSpecial, boolean plainText) {
        final byte[] bytes = Texts.bytes(text, "text");
        final int flags = (addSpecial ? ADD_SPECIAL : 0) | (plainText ? PLAIN_TEXT : 0);
        try (Handle.Use model = use()) {
            return Reading.ints(bytes.length / 2 + 8, (ids, size) -> Native.pensee_tokenize(
                model.pointer, bytes, bytes.length, flags, ids, size));
        }
    }

    /**
     * Text of token ids; bytes that are no whole character become U+FFFD.
     *
     * @param ids of the tokens
     * @return the text
     */
    public String detokenize(int... ids) {
        return Texts.string(detokenizeBytes(ids, false));
    }

    /**
     * The bytes of token ids: a list cut inside a character gives a part of it.
     *
     * @param ids         of the tokens
     * @param skipSpecial special tokens are left out
     * @return UTF-8
     */
    public byte[] detokenizeBytes(int[] ids, boolean skipSpecial) {
        try (Handle.Use model = use()) {
            return Reading.bytes(ids.length * 8, (text, size) -> Native.pensee_detokenize(
                model.pointer, ids, ids.length, skipSpecial ? SKIP_SPECIAL : 0, text, size));
        }
    }

    /**
     * Teacher-forced logits, row by row. No BOS is added. Calls of many threads take turns.
     *
     * @param ids the tokens
     * @return the row of vocabSize numbers that begins at i * vocabSize is the model's prediction after ids[0..i]
     */
    public float[] logits(int... ids) {
        if (ids.length * info.vocabSize() > Integer.MAX_VALUE - 8) {
            throw PenseeException.badArgument("ids", "too many for one array of logits; score them in parts");
        }
        final float[] logits = new float[(int) (ids.length * info.vocabSize())];
        try (Handle.Use model = use()) {
            Native.pensee_logits(model.pointer, ids, ids.length, logits);
        }
        return logits;
    }

    /**
     * Log-probabilities of the given tokens alone.
     *
     * @param ids the tokens
     * @return that of ids[i] after ids[0..i-1]; the first is 0
     */
    public float[] logprobs(int... ids) {
        final float[] logprobs = new float[ids.length];
        try (Handle.Use model = use()) {
            Native.pensee_logprobs(model.pointer, ids, ids.length, logprobs);
        }
        return logprobs;
    }

    /**
     * {@link #logprobs} with the routing replayed and recorded. The numbers equal, bit for bit, those that events gave
     * when the tokens were generated (native backend).
     *
     * @param ids      the tokens
     * @param replay   the experts to use; -1, and positions missing at the end: the router chooses; null: everywhere
     * @param trace    tell the experts that were used
     * @param progress told on this thread; can cancel; null: nobody is told
     * @return the numbers
     */
    public Score score(int[] ids, Routing replay, boolean trace, Progress progress) {
        final int row = Math.toIntExact(info.numMoeLayers() * info.numExpertsPerTok());
        final int count = Math.multiplyExact(ids.length, row);
        final int[] given = replay == null ? null : replayed(replay, row, count);
        final float[] logprobs = new float[ids.length];
        final Routing routing = !trace ? null : new Routing(ids.length, info.numMoeLayers(), info.numExpertsPerTok(),
                                                            new int[count], new float[count]);
        try (Handle.Use model = use()) {
            return ProgressCall.run(progress, told -> {
                Native.pensee_score_traced(model.pointer, ids, ids.length, given, trace ? routing.expertIds() : null,
                                           trace ? routing.expertWeights() : null, told, logprobs);
                return new Score(logprobs, routing);
            });
        }
    }

    /**
     * Writes the model as it is now to a file that opens in milliseconds and whose memory processes share. Atomic.
     * @param path     the file
     * @param progress told on this thread; can cancel; null: nobody is told
     */
    public void savePacked(Path path, Progress progress) { Opening.savePacked(use(), path, progress); }

    /** Measures each backend, for {@link ModelOptions#tuningFile}, on an idle machine; path and progress likewise. */
    public void tune(Path path, Progress progress) { Opening.tune(use(), path, progress); }

    /**
     * Replaces weights in place, as a trainer hands them over: all or nothing. Tensors that are packed together (q, k,
     * v; gate and up of all experts) come together, unless {@link ModelOptions#keepFile()} was set. What sessions had
     * computed is forgotten. {@link Status#BUSY} while anything generates.
     *
     * @param tensors read during the call only
     */
    public void setWeights(List<Tensor> tensors) {
        final pensee_tensors rows = new pensee_tensors();
        final List<ByteBuffer> kept = new ArrayList<>(); // until the call is back
        try (Handle.Use model = use()) {
            for (Tensor tensor : tensors) {
                if (tensor.data().remaining() != bytes(tensor)) {
                    throw PenseeException.badArgument(tensor.name(), "its data is not as long as its shape says");
                }
                final ByteBuffer data = Opening.direct(tensor.data());
                kept.add(data);
                rows.add(Texts.checked(tensor.name(), "tensor"), tensor.dtype().value, tensor.shape(),
                         tensor.shape().length, data);
            }
            synchronized (setting) {
                rows.set_weights(model.pointer);
            }
        } finally {
            rows.delete();
            kept.clear();
        }
    }

    /**
     * Sessions compute nothing from the end of the pass that runs until {@link #resume}: for an application that goes
     * into the background. Nothing is lost and no thread spins; streams wait, cancelling works. Scoring goes on.
     */
    public void pause() {
        try (Handle.Use model = use()) {
            Native.pensee_model_pause(model.pointer);
        }
    }

    /** Ends any number of pauses. */
    public void resume() {
        try (Handle.Use model = use()) {
            Native.pensee_model_resume(model.pointer);
        }
    }

    /**
     * Gives memory back to the system; waits for no pass and changes no bit of any text.
     *
     * @param level what is forgotten
     * @return bytes
     */
    public long trim(TrimLevel level) {
        try (Handle.Use model = use()) {
            return Native.pensee_model_trim(model.pointer, level.value);
        }
    }

    /**
     * Computes with so many threads from the next pass on; the text stays the same.
     *
     * @param threads 0: the CPUs that this process may use
     */
    public void setThreads(int threads) {
        try (Handle.Use model = use()) {
            Native.pensee_model_set_threads(model.pointer, threads);
            info = info(model.pointer);
        }
    }

    /**
     * Splits a text that was generated elsewhere, or kept, as a stream of this model would.
     *
     * @param text      of a reply
     * @param inThought the prompt had opened the thought already
     * @return the reply
     */
    public Reply parseReply(String text, boolean inThought) {
        final byte[] bytes = Texts.bytes(text, "text");
        try (Handle.Use model = use()) {
            return Reading.take(Native.pensee_parse_reply(model.pointer, bytes, bytes.length,
                                                          inThought ? IN_THOUGHT : 0), false);
        }
    }

    /**
     * The prompt as the model will read it: put through the chat template.
     *
     * @param prompt  what to continue
     * @param options how: some change the prompt
     * @return the text
     */
    public String render(Prompt prompt, Options options) {
        try (Handle.Use model = use(); Request request = new Request(prompt, options)) {
            return Texts.string(Reading.bytes(1024, (text, size) -> Native.pensee_render_prompt(
                model.pointer, request.prompt, request.options, text, size)));
        }
    }

    /**
     * A new session. It keeps the weights alive.
     *
     * @return to be closed
     */
    public Session newSession() {
        try (Handle.Use model = use()) {
            return new Session(Native.pensee_session_new(model.pointer), info);
        }
    }

    /**
     * The session that {@link Session#save} wrote: of this model, with the same cache types. It answers bit for bit as
     * the saved one would.
     *
     * @param path of the file
     * @return to be closed
     */
    public Session restore(Path path) {
        final String file = Texts.checked(path.toFile().getPath(), "path");
        try (Handle.Use model = use()) {
            return new Session(Native.pensee_session_restore(model.pointer, file), info);
        }
    }

    /**
     * The session that {@link Session#toBytes} returned.
     *
     * @param data the bytes
     * @return to be closed
     */
    public Session restore(byte[] data) {
        final ByteBuffer direct = Opening.direct(ByteBuffer.wrap(data));
        try (Handle.Use model = use()) {
            return new Session(Native.pensee_session_restore_memory(model.pointer, direct, data.length), info);
        }
    }

    /** Begins a reply in a session of its own. */
    @Override
    public Stream generate(Prompt prompt, Options options) {
        try (Session session = newSession()) {
            return session.generate(prompt, options); // which the stream keeps
        }
    }

    /** The whole reply, in a session of its own. */
    @Override
    public Reply ask(Prompt prompt, Options options) {
        try (Session session = newSession()) {
            return session.ask(prompt, options);
        }
    }

    /** The whole reply, in a session of its own; no thread of the caller waits. */
    @Override
    public CompletableFuture<Reply> askAsync(Prompt prompt, Options options) {
        final Session session = newSession();
        return Work.start(() -> {
            try (session) {
                return session.ask(prompt, options);
            }
        }, session::cancel);
    }

    @Override
    public Vote vote(Prompt prompt, Options options, VoteOptions voteOptions) {
        try (Session session = newSession()) {
            return session.vote(prompt, options, voteOptions);
        }
    }

    @Override
    public CompletableFuture<Vote> voteAsync(Prompt prompt, Options options, VoteOptions voteOptions) {
        final Session session = newSession();
        return Work.start(() -> {
            try (session) {
                return session.vote(prompt, options, voteOptions);
            }
        }, session::cancel);
    }

    /** Lets go of the model; waits for nobody. May be called again. */
    @Override
    public void close() {
        handle.close();
    }

    /** For a debugger: what the model is. */
    @Override
    public String toString() {
        return info.architecture() + " " + info.name() + " " + info.quantization();
    }

    Handle.Use use() {
        return handle.use();
    }

    private static ModelInfo info(long model) {
        final pensee_model_info info = new pensee_model_info();
        try {
            Native.pensee_model_get_info(model, info);
            return Reading.info(info);
        } finally {
            info.delete();
        }
    }

    private static int[] replayed(Routing replay, int row, int count) {
        if (replay.numMoeLayers() * replay.numExpertsPerTok() != row || replay.expertIds().length > count) {
            throw PenseeException.badArgument("replay", "its shape is not that of the ids");
        }
        final int[] ids = Arrays.copyOf(replay.expertIds(), count);
        Arrays.fill(ids, replay.expertIds().length, count, -1);
        return ids;
    }

    private static long bytes(Tensor tensor) {
        long bytes = tensor.dtype() == DType.F32 ? 4 : 2;
        try {
            for (long size : tensor.shape()) bytes = Math.multiplyExact(bytes, size);
        } catch (ArithmeticException overflow) {
            return -1;
        }
        return bytes;
    }
}

package org.pensee;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.function.ToLongFunction;

/** How a model is opened, whatever it is read from. */
final class Opening {
    private Opening() {
    }

    static long open(ModelOptions options, ToLongFunction<pensee_model_options> call) {
        final pensee_model_options to = new pensee_model_options();
        try {
            fill(to, options);
            return ProgressCall.run(options.progress(), told -> {
                if (told != null) to.set_progress(told);
                return call.applyAsLong(to);
            });
        } finally {
            to.delete();
        }
    }

    static long openDefault(ModelOptions options) {
        try (InputStream in = Opening.class.getResourceAsStream("pensee-mini.gguf")) {
            if (in == null) return open(options, to -> Native.pensee_model_open(null, to));
            final ByteBuffer data = direct(ByteBuffer.wrap(in.readAllBytes()));
            return open(options, to -> Native.pensee_model_open_memory(data, data.remaining(), to));
        } catch (IOException failed) {
            throw new PenseeException(Status.FILE_IO, "pensee-mini.gguf in the jar: " + failed.getMessage());
        }
    }

    private static void fill(pensee_model_options to, ModelOptions from) {
        to.setThreads(from.threads());
        to.setBackend(from.backend().value);
        to.setActivations(from.activations().value);
        to.setCache_type(from.cacheType().value);
        to.setContext_max(from.contextMax());
        to.setMemory_budget(from.memoryBudget());
        to.setSkip_weights(from.skipWeights() ? 1 : 0);
        to.setExact(from.exact() ? 1 : 0);
        to.set_isa(Texts.checked(from.isa(), "isa"));
        to.setValue_cache_type(from.valueCacheType().value);
        to.setMtp(from.mtp());
        to.setPrefix_cache_bytes(from.prefixCacheBytes());
        to.setMax_concurrent(from.maxConcurrent());
        to.setMax_waiting(from.maxWaiting());
        to.setKeep_file(from.keepFile() ? 1 : 0);
        to.setThread_priority(from.threadPriority().value);
        to.setPacked_file(from.packedFile().value);
        to.set_tuning_file(Texts.checked(from.tuningFile(), "tuning_file"));
    }

    static void checkPart(long offset, long length) {
        if (offset < 0) throw PenseeException.badArgument("offset", "is negative");
        if (length < 0) throw PenseeException.badArgument("length", "is negative");
    }

    /** The same bytes where native code finds them: the address of a direct buffer is that of its index 0. */
    static ByteBuffer direct(ByteBuffer data) {
        if (data.isDirect()) return data.slice();
        final ByteBuffer copy = ByteBuffer.allocateDirect(data.remaining());
        copy.put(data.duplicate());
        copy.flip();
        return copy;
    }

    private interface Writing {
        void write(long model, String file, pensee_progress told);
    }

    /** Model.savePacked; ends the use. */
    static void savePacked(Handle.Use use, java.nio.file.Path path, Progress progress) {
        writeFile(Native::pensee_model_save_packed_told, use, path, progress);
    }

    /** Model.tune; ends the use. */
    static void tune(Handle.Use use, java.nio.file.Path path, Progress progress) {
        writeFile(Native::pensee_model_tune_told, use, path, progress);
    }

    private static void writeFile(Writing writing, Handle.Use use, java.nio.file.Path path, Progress progress) {
        try (Handle.Use model = use) {
            final String file = Texts.checked(path.toFile().getPath(), "path");
            ProgressCall.run(progress, told -> {
                writing.write(model.pointer, file, told);
                return null;
            });
        }
    }
}

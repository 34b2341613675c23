package org.pensee;

import java.util.Objects;

/**
 * How a model is opened. {@link #builder} begins with the defaults.
 *
 * @param threads          1..1024; 0: the CPUs that this process may use
 * @param backend          what computes
 * @param activations      how the native backend meets quantised weights
 * @param cacheType        how keys, values and latents are kept
 * @param contextMax       positions a session may hold; 0: the model's own limit
 * @param memoryBudget     bytes for weights, caches and scratch together; 0: no limit
 * @param skipWeights      read headers, tokenizer and template only: enough to inspect and tokenize, in milliseconds
 * @param exact            false: allow what is faster and rounds in its own way
 * @param isa              "scalar", "avx2", "avx2_vnni", "avx512", "avx512_bf16", "neon", "neon_dotprod", "neon_i8mm";
 *                         null: the best of this CPU
 * @param progress         told on the loading thread; can cancel; null: nobody is told
 * @param valueCacheType   the cache's type of values apart from keys, {@link CacheType#INT4} too
 * @param mtp              the layer of multi-token prediction, for speculation; 0: loaded where the file has it; -1:
 *                         left out
 * @param prefixCacheBytes kept of what sessions computed, for later prompts that begin alike; 0: 256 MiB; -1: none
 * @param maxConcurrent    generations that share the passes; later ones wait for their turn; 0: 64
 * @param maxWaiting       generations that may wait; one more is {@link Status#BUSY}; 0: 1024
 * @param keepFile         the file stays open, so that {@link Model#setWeights} may be given a part of a packed group
 * @param threadPriority   of the threads that the library starts, never of yours
 * @param packedFile       how a file of {@link Model#savePacked} is used
 * @param tuningFile       of {@link Model#tune}, for {@link Backend#AUTO} with exact false; null: what was measured
 *                         when the library was made
 */
public record ModelOptions(int threads, Backend backend, Activations activations, CacheType cacheType,
                           long contextMax, long memoryBudget, boolean skipWeights, boolean exact, String isa,
                           Progress progress, CacheType valueCacheType, int mtp, long prefixCacheBytes,
                           int maxConcurrent, int maxWaiting, boolean keepFile, ThreadPriority threadPriority,
                           PackedFile packedFile, String tuningFile) {
    /** All of them: use {@link #builder}. */
    public ModelOptions {
        Objects.requireNonNull(backend, "backend");
        Objects.requireNonNull(activations, "activations");
        Objects.requireNonNull(cacheType, "cacheType");
        Objects.requireNonNull(valueCacheType, "valueCacheType");
        Objects.requireNonNull(threadPriority, "threadPriority");
        Objects.requireNonNull(packedFile, "packedFile");
    }

    /**
     * The defaults, to be changed.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link ModelOptions}, option by option. */
    public static final class Builder {
        private int threads;
        private Backend backend = Backend.AUTO;
        private Activations activations = Activations.AUTO;
        private CacheType cacheType = CacheType.AUTO;
        private long contextMax;
        private long memoryBudget;
        private boolean skipWeights;
        private boolean exact = true;
        private String isa;
        private Progress progress;
        private CacheType valueCacheType = CacheType.AUTO;
        private int mtp;
        private long prefixCacheBytes;
        private int maxConcurrent;
        private int maxWaiting;
        private boolean keepFile;
        private ThreadPriority threadPriority = ThreadPriority.NORMAL;
        private PackedFile packedFile = PackedFile.MAP;
        private String tuningFile;

        private Builder() {
        }

        /** 1..1024; 0: the CPUs that this process may use. */
        public Builder threads(int threads) {
            this.threads = threads;
            return this;
        }

        /** What computes. */
        public Builder backend(Backend backend) {
            this.backend = backend;
            return this;
        }

        /** How the native backend meets quantised weights. */
        public Builder activations(Activations activations) {
            this.activations = activations;
            return this;
        }

        /** How keys, values and latents are kept. */
        public Builder cacheType(CacheType cacheType) {
            this.cacheType = cacheType;
            return this;
        }

        /** Positions a session may hold; 0: the model's own limit. */
        public Builder contextMax(long contextMax) {
            this.contextMax = contextMax;
            return this;
        }

        /** Bytes for weights, caches and scratch together; 0: no limit. */
        public Builder memoryBudget(long memoryBudget) {
            this.memoryBudget = memoryBudget;
            return this;
        }

        /** Read headers, tokenizer and template only: enough to inspect and tokenize, in milliseconds. */
        public Builder skipWeights(boolean skipWeights) {
            this.skipWeights = skipWeights;
            return this;
        }

        /** False: allow what is faster and rounds in its own way. */
        public Builder exact(boolean exact) {
            this.exact = exact;
            return this;
        }

        /**
         * "scalar", "avx2", "avx2_vnni", "avx512", "avx512_bf16", "neon", "neon_dotprod", "neon_i8mm"; null: the best
         * of this CPU.
         */
        public Builder isa(String isa) {
            this.isa = isa;
            return this;
        }

        /** Told on the loading thread; can cancel; null: nobody is told. */
        public Builder progress(Progress progress) {
            this.progress = progress;
            return this;
        }

        /** The cache's type of values apart from keys, {@link CacheType#INT4} too. */
        public Builder valueCacheType(CacheType valueCacheType) {
            this.valueCacheType = valueCacheType;
            return this;
        }

        /** The layer of multi-token prediction, for speculation; 0: loaded where the file has it; -1: left out. */
        public Builder mtp(int mtp) {
            this.mtp = mtp;
            return this;
        }

        /** Kept of what sessions computed, for later prompts that begin alike; 0: 256 MiB; -1: none. */
        public Builder prefixCacheBytes(long prefixCacheBytes) {
            this.prefixCacheBytes = prefixCacheBytes;
            return this;
        }

        /** Generations that share the passes; later ones wait for their turn; 0: 64. */
        public Builder maxConcurrent(int maxConcurrent) {
            this.maxConcurrent = maxConcurrent;
            return this;
        }

        /** Generations that may wait; one more is {@link Status#BUSY}; 0: 1024. */
        public Builder maxWaiting(int maxWaiting) {
            this.maxWaiting = maxWaiting;
            return this;
        }

        /** The file stays open, so that {@link Model#setWeights} may be given a part of a packed group. */
        public Builder keepFile(boolean keepFile) {
            this.keepFile = keepFile;
            return this;
        }

        /** Of the threads that the library starts, never of yours. */
        public Builder threadPriority(ThreadPriority threadPriority) {
            this.threadPriority = threadPriority;
            return this;
        }

        /** How a file of {@link Model#savePacked} is used. */
        public Builder packedFile(PackedFile packedFile) {
            this.packedFile = packedFile;
            return this;
        }

        /** Of {@link Model#tune}, for {@link Backend#AUTO} with exact false. */
        public Builder tuningFile(String tuningFile) {
            this.tuningFile = tuningFile;
            return this;
        }

        /**
         * The options.
         *
         * @return what was set, and the defaults elsewhere
         */
        public ModelOptions build() {
            return new ModelOptions(threads, backend, activations, cacheType, contextMax, memoryBudget, skipWeights,
                                    exact, isa, progress, valueCacheType, mtp, prefixCacheBytes, maxConcurrent,
                                    maxWaiting, keepFile, threadPriority, packedFile, tuningFile);
        }
    }
}

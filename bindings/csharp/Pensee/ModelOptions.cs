// How a model is opened: pensee_model_options, property by property.
using System;

namespace Pensee
{
    /// <summary>How a model is opened. A new one asks for the defaults.</summary>
    public sealed class ModelOptions
    {
        /// <summary>1..1024; 0: the CPUs that this process may use.</summary>
        public int Threads { get; set; }
        /// <summary>What computes.</summary>
        public Backend Backend { get; set; }
        /// <summary>How the native backend meets quantised weights.</summary>
        public Activations Activations { get; set; }
        /// <summary>How keys, values and latents are kept.</summary>
        public CacheType CacheType { get; set; }
        /// <summary>Positions a session may hold; 0: the model's own limit.</summary>
        public long ContextMax { get; set; }
        /// <summary>Bytes for weights, caches and scratch together; 0: no limit.</summary>
        public ulong MemoryBudget { get; set; }
        /// <summary>Read headers, tokenizer and template only: enough to inspect and tokenize, in
        /// milliseconds.</summary>
        public bool SkipWeights { get; set; }
        /// <summary>false: allow what is faster and rounds in its own way. A new ModelOptions says true.</summary>
        public bool Exact { get; set; } = true;
        /// <summary>"scalar", "avx2", "avx2_vnni", "avx512", "avx512_bf16", "neon", "neon_dotprod",
        /// "neon_i8mm"; null: the best of this CPU.</summary>
        public string? Isa { get; set; }
        /// <summary>Called on the loading thread with 0..1; false cancels (<see cref="Status.Cancelled"/>). An
        /// exception that
        /// it throws cancels too and arrives from the constructor.</summary>
        public Func<float, bool>? Progress { get; set; }
        /// <summary>The cache's type of values apart from keys; <see cref="CacheType.Int4"/> too.</summary>
        public CacheType ValueCacheType { get; set; }
        /// <summary>The layer of multi-token prediction, for speculation. 0: loaded where the file has it; -1: left
        /// out.
        /// </summary>
        public int Mtp { get; set; }
        /// <summary>Kept of what sessions computed, for later prompts that begin alike. 0: 256 MiB; -1: none.</summary>
        public long PrefixCacheBytes { get; set; }
        /// <summary>Generations that share the passes; 0: 64. Later ones wait for their turn.</summary>
        public int MaxConcurrent { get; set; }
        /// <summary>Generations that may wait; 0: 1024. One more is <see cref="Status.Busy"/>.</summary>
        public int MaxWaiting { get; set; }
        /// <summary>The file stays open, so that <see cref="Model.SetWeights"/> may be given a part of a packed group.
        /// </summary>
        public bool KeepFile { get; set; }
        /// <summary>Of the threads that the library starts, never of yours.</summary>
        public WorkerPriority ThreadPriority { get; set; }
        /// <summary>How a file of <see cref="Model.SavePacked"/> is used.</summary>
        public PackedFile PackedFile { get; set; }
        /// <summary>A file of <see cref="Model.Tune"/>, for <see cref="Backend.Auto"/> with <see cref="Exact"/> off;
        /// null: what was measured when the library was made.</summary>
        public string? TuningFile { get; set; }
    }
}

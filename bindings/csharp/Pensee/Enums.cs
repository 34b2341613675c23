// The header's enumerations. The numbers are those of pensee.h (a test compares them); casts between the two are safe.
namespace Pensee
{
    /// <summary>What computes. Identical tokens whatever the threads are promised by the native kernels
    /// alone.</summary>
    public enum Backend
    {
        /// <summary>The native kernels.</summary>
        Auto = 0,
        /// <summary>pensee's own SIMD kernels.</summary>
        Native = 1,
        /// <summary>oneDNN: close to native, not identical; unsupported where it is not built in.</summary>
        Onednn = 2,
        /// <summary>OpenBLAS in float32: likewise.</summary>
        Blas = 3,
    }

    /// <summary>How the native backend meets quantised weights.</summary>
    public enum Activations
    {
        /// <summary><see cref="Int16"/>.</summary>
        Auto = 0,
        /// <summary>16-bit groups of 32: as good as float32.</summary>
        Int16 = 1,
        /// <summary>8-bit groups of 32: faster prompts, coarser, may flip experts.</summary>
        Int8 = 2,
    }

    /// <summary>How keys, values and latents are kept.</summary>
    public enum CacheType
    {
        /// <summary><see cref="F32"/>.</summary>
        Auto = 0,
        /// <summary>32-bit floats.</summary>
        F32 = 1,
        /// <summary>16-bit floats.</summary>
        F16 = 2,
        /// <summary>bfloat16.</summary>
        Bf16 = 3,
        /// <summary>8-bit blocks of 32 with a scale each.</summary>
        Int8 = 4,
        /// <summary>4-bit blocks, rotated: for values alone (<see cref="ModelOptions.ValueCacheType"/>).</summary>
        Int4 = 5,
    }

    /// <summary>How much a model shall think, as far as its family knows levels; a think budget elsewhere.</summary>
    public enum Effort
    {
        /// <summary>As the model does by itself.</summary>
        Default = 0,
        /// <summary>No thought, where the family can leave it out.</summary>
        None = 1,
        /// <summary>A budget of 256 tokens where the family has no levels.</summary>
        Minimal = 2,
        /// <summary>1024 tokens.</summary>
        Low = 3,
        /// <summary>4096 tokens.</summary>
        Medium = 4,
        /// <summary>16384 tokens.</summary>
        High = 5,
        /// <summary>32768 tokens.</summary>
        Xhigh = 6,
        /// <summary>No limit.</summary>
        Max = 7,
    }

    /// <summary>Samplers by name, for <see cref="Sampling.Order"/>.</summary>
    public enum Sampler
    {
        /// <summary>Repetition, frequency and presence.</summary>
        Penalties = 1,
        /// <summary>The penalty of repeated sequences.</summary>
        Dry = 2,
        /// <summary>Division by the temperature.</summary>
        Temperature = 3,
        /// <summary>Keeps logits near the best.</summary>
        TopNSigma = 4,
        /// <summary>Keeps the k best.</summary>
        TopK = 5,
        /// <summary>Keeps the best that make up the probability p.</summary>
        TopP = 6,
        /// <summary>Keeps what is at least p times as likely as the best.</summary>
        MinP = 7,
        /// <summary>Keeps tokens of typical surprise.</summary>
        Typical = 8,
        /// <summary>Now and then leaves out the likeliest.</summary>
        Xtc = 9,
    }

    /// <summary>Guessing ahead. The tokens and their log-probabilities are the same with any of them.</summary>
    public enum Speculation
    {
        /// <summary>The draft model if one is given, else MTP where it is loaded, else n-grams.</summary>
        Auto = 0,
        /// <summary>None.</summary>
        Off = 1,
        /// <summary>What followed the last tokens when they came before.</summary>
        Ngram = 2,
        /// <summary>The model's own layer of multi-token prediction.</summary>
        Mtp = 3,
        /// <summary><see cref="Options.DraftModel"/>.</summary>
        Draft = 4,
    }

    /// <summary>Whether a thought that goes in circles is closed and answered.</summary>
    public enum LoopGuard
    {
        /// <summary>It is.</summary>
        On = 0,
        /// <summary>It goes on.</summary>
        Off = 1,
    }

    /// <summary>What the model may do with its tools.</summary>
    public enum ToolChoice
    {
        /// <summary>The model decides; arguments come as it writes them.</summary>
        Auto = 0,
        /// <summary>The model decides; names and arguments are held to the tools given.</summary>
        Strict = 1,
        /// <summary>The answer is one call, held to the tools given.</summary>
        Required = 2,
        /// <summary>The template is not told of them.</summary>
        None = 3,
    }

    /// <summary>The kind of an event.</summary>
    public enum EventKind
    {
        /// <summary>A piece of the thought.</summary>
        Thought = 1,
        /// <summary>A piece of the answer.</summary>
        Answer = 2,
        /// <summary>A piece of a tool call; the last one of a call has its id, name and arguments.</summary>
        ToolCall = 3,
        /// <summary>The end, with usage.</summary>
        End = 4,
    }

    /// <summary>Why a reply ended.</summary>
    public enum FinishReason
    {
        /// <summary>It has not.</summary>
        None = 0,
        /// <summary>End of text, or a stop string.</summary>
        Stop = 1,
        /// <summary>The limit of tokens, or the context is full.</summary>
        Length = 2,
        /// <summary>As <see cref="Stop"/>, after the think budget had closed the thought.</summary>
        Budget = 3,
        /// <summary>As <see cref="Stop"/>, after a thought that went in circles was closed.</summary>
        Loop = 4,
        /// <summary>Somebody cancelled it.</summary>
        Cancelled = 5,
        /// <summary>As <see cref="Stop"/>, with at least one tool call: answer it with a message of role
        /// "tool".</summary>
        ToolCall = 6,
        /// <summary>An error, which was thrown as <see cref="PenseeException"/>.</summary>
        Error = 7,
    }

    /// <summary>Priority of the threads that the library starts, never of yours.</summary>
    public enum WorkerPriority
    {
        /// <summary>As the thread that starts them.</summary>
        Normal = 0,
        /// <summary>Behind the application's other work.</summary>
        Low = 1,
        /// <summary>When nobody else wants the CPU.</summary>
        Background = 2,
    }

    /// <summary>How a file of <see cref="Model.SavePacked"/> is used.</summary>
    public enum PackedFile
    {
        /// <summary>In place, shared by all processes. If somebody cuts the file short meanwhile, the system ends the
        /// process.</summary>
        Map = 0,
        /// <summary>Read into memory of the process, checksums held.</summary>
        Read = 1,
        /// <summary>As <see cref="Map"/>, after all bytes were held against their checksums.</summary>
        Verify = 2,
    }

    /// <summary>What <see cref="Model.Trim"/> forgets.</summary>
    public enum TrimLevel
    {
        /// <summary>What is kept to be faster later: the prefix cache, scratch space.</summary>
        Caches = 0,
        /// <summary>And what sessions that do not stream have computed; they compute their next prompt from its begin.
        /// </summary>
        Sessions = 1,
    }

    /// <summary>How votes are counted.</summary>
    public enum VoteWeighting
    {
        /// <summary>Each reply has one vote.</summary>
        Plain = 0,
        /// <summary>Each vote weighs the mean probability of its reply's tokens.</summary>
        Confidence = 1,
    }

    /// <summary>The number type of a <see cref="Tensor"/>.</summary>
    public enum DType
    {
        /// <summary>32-bit floats.</summary>
        F32 = 1,
        /// <summary>16-bit floats.</summary>
        F16 = 2,
        /// <summary>bfloat16.</summary>
        Bf16 = 3,
    }

    /// <summary>What went wrong. Tens tell the kind: 1x argument, 2x file, 3x memory, 4x unsupported, 5x state,
    /// 6x cancelled, 9x a bug of the library's.</summary>
    public enum Status
    {
        /// <summary>Nothing.</summary>
        Ok = 0,
        /// <summary>Out of range, invalid UTF-8, a token id that is none.</summary>
        BadArgument = 10,
        /// <summary>There is no such file.</summary>
        FileNotFound = 20,
        /// <summary>Truncated, lying header, wrong shapes.</summary>
        FileCorrupt = 21,
        /// <summary>The system refused to read.</summary>
        FileIo = 22,
        /// <summary>An allocation failed, or <see cref="ModelOptions.MemoryBudget"/> forbids it.</summary>
        OutOfMemory = 30,
        /// <summary>A valid wish that this build or release cannot fulfil.</summary>
        Unsupported = 40,
        /// <summary>The session already streams; or too many generations wait already.</summary>
        Busy = 50,
        /// <summary>The prompt is longer than the context.</summary>
        ContextFull = 51,
        /// <summary>The end was already delivered.</summary>
        NoMoreEvents = 52,
        /// <summary>Cancelled.</summary>
        Cancelled = 60,
        /// <summary>A callback stopped the call.</summary>
        StoppedByCallback = 61,
        /// <summary>No event came in time; the stream goes on.</summary>
        Timeout = 62,
        /// <summary>A bug of the library: please report it.</summary>
        Internal = 90,
    }
}

// What the library tells of a model and of a reply: values without handles, copied out of the library, so that nothing
// here has to be disposed and all of it may be kept.
using System;
using System.Collections.Generic;

namespace Pensee
{
    /// <summary>What a generation cost. Times are seconds from the call.</summary>
    public sealed class Usage
    {
        internal Usage()
        {
        }

        /// <summary>Tokens of the prompt.</summary>
        public long PromptTokens { get; internal set; }
        /// <summary>Of the prompt: not computed again, because the session remembered them.</summary>
        public long CachedTokens { get; internal set; }
        /// <summary>Tags included.</summary>
        public long ThoughtTokens { get; internal set; }
        /// <summary>Tokens of the answer.</summary>
        public long AnswerTokens { get; internal set; }
        /// <summary>From the call.</summary>
        public double SecondsToFirstToken { get; internal set; }
        /// <summary>From the call to the end.</summary>
        public double Seconds { get; internal set; }
        /// <summary>Of the part that was computed.</summary>
        public double PromptTokensPerSecond { get; internal set; }
        /// <summary>Of the tokens after the first.</summary>
        public double TokensPerSecond { get; internal set; }
        /// <summary>A token.</summary>
        public long ParametersActive { get; internal set; }
        /// <summary>Two for each weight that a computed token meets; attention not counted.</summary>
        public double Flops { get; internal set; }
        /// <summary>Of packed weights, by all tokens decoded and once for each chunk of the prompt.</summary>
        public double WeightBytesRead { get; internal set; }
        /// <summary>The seed that was used: give it again for the same text.</summary>
        public ulong Seed { get; internal set; }
        /// <summary>By speculation.</summary>
        public long DraftedTokens { get; internal set; }
        /// <summary>Of the drafted ones.</summary>
        public long AcceptedTokens { get; internal set; }
        /// <summary>Forward passes that the reply took after the prompt.</summary>
        public long Passes { get; internal set; }
        /// <summary>For a turn, before the first token of the prompt was computed.</summary>
        public double SecondsWaiting { get; internal set; }
    }

    /// <summary>Which experts computed what: [Positions, NumMoeLayers, NumExpertsPerTok] row by row, best expert first.
    /// </summary>
    public sealed class Routing
    {
        /// <summary>Makes one, to be replayed by <see cref="Model.Score"/>.</summary>
        public Routing(long positions, long numMoeLayers, long numExpertsPerTok, int[] expertIds, float[] expertWeights)
        {
            Positions = positions;
            NumMoeLayers = numMoeLayers;
            NumExpertsPerTok = numExpertsPerTok;
            ExpertIds = expertIds ?? throw new ArgumentNullException(nameof(expertIds));
            ExpertWeights = expertWeights ?? throw new ArgumentNullException(nameof(expertWeights));
        }

        /// <summary>Of the context, from its begin; 1 for an event.</summary>
        public long Positions { get; }
        /// <summary>Layers with experts.</summary>
        public long NumMoeLayers { get; }
        /// <summary>Experts chosen in each layer.</summary>
        public long NumExpertsPerTok { get; }
        /// <summary>-1: not known.</summary>
        public int[] ExpertIds { get; }
        /// <summary>What each expert's output was multiplied with.</summary>
        public float[] ExpertWeights { get; }
    }

    /// <summary>A whole reply: the thought and the answer apart.</summary>
    public sealed class Reply
    {
        internal Reply(string thought, string answer, IReadOnlyList<ToolCall> toolCalls, Usage usage,
                       FinishReason finishReason, IReadOnlyList<int> tokenIds, IReadOnlyList<float> logprobs,
                       string messageJson, Routing? routing, IReadOnlyList<Reply> others)
        {
            Thought = thought;
            Answer = answer;
            ToolCalls = toolCalls;
            Usage = usage;
            FinishReason = finishReason;
            TokenIds = tokenIds;
            Logprobs = logprobs;
            MessageJson = messageJson;
            Routing = routing;
            var samples = new List<Reply> { this };
            samples.AddRange(others);
            Samples = samples;
        }

        /// <summary>"" when there was none.</summary>
        public string Thought { get; }
        /// <summary>What follows the thought.</summary>
        public string Answer { get; }
        /// <summary>Calls of tools, in their order.</summary>
        public IReadOnlyList<ToolCall> ToolCalls { get; }
        /// <summary>What it cost.</summary>
        public Usage Usage { get; }
        /// <summary>Why it ended.</summary>
        public FinishReason FinishReason { get; }
        /// <summary>All tokens that were generated, the thought's first.</summary>
        public IReadOnlyList<int> TokenIds { get; }
        /// <summary>One for each of <see cref="TokenIds"/>: natural logarithms, at temperature 1.</summary>
        public IReadOnlyList<float> Logprobs { get; }
        /// <summary>The reply as an OpenAI-shaped message, as JSON.</summary>
        public string MessageJson { get; }
        /// <summary>With <see cref="Options.TraceExperts"/>: of every computed position of prompt and reply.</summary>
        public Routing? Routing { get; }
        /// <summary>All of <see cref="Options.N"/>: this reply and the others.</summary>
        public IReadOnlyList<Reply> Samples { get; }
        /// <summary>The reply as a message, to be appended to the conversation.</summary>
        public Message Message => Message.FromJson(MessageJson);

        /// <summary>The answer.</summary>
        public override string ToString()
        {
            return Answer;
        }
    }

    /// <summary>An answer that replies came to.</summary>
    public sealed class VoteAnswer
    {
        internal VoteAnswer(string answer, int votes, float weight, int reply)
        {
            Answer = answer;
            Votes = votes;
            Weight = weight;
            Reply = reply;
        }

        /// <summary>As the first of them has it.</summary>
        public string Answer { get; }
        /// <summary>How many.</summary>
        public int Votes { get; }
        /// <summary>Its share of all weight, 0..1.</summary>
        public float Weight { get; }
        /// <summary>Index of the first reply that came to it.</summary>
        public int Reply { get; }
    }

    /// <summary>What replies to one prompt agree on.</summary>
    public sealed class Vote
    {
        internal Vote(IReadOnlyList<VoteAnswer> answers, IReadOnlyList<Reply> replies)
        {
            Answers = answers;
            Replies = replies;
        }

        /// <summary>The distribution, winner first.</summary>
        public IReadOnlyList<VoteAnswer> Answers { get; }
        /// <summary>All replies; those that were cancelled have no vote.</summary>
        public IReadOnlyList<Reply> Replies { get; }
        /// <summary>The winner; null where no reply came to an answer.</summary>
        public string? Answer => Answers.Count == 0 ? null : Answers[0].Answer;
        /// <summary>The first reply that came to the winner; null where none did.</summary>
        public Reply? Reply => Answers.Count == 0 ? null : Replies[Answers[0].Reply];
    }

    /// <summary>What <see cref="Model.Score"/> found.</summary>
    public sealed class Score
    {
        internal Score(float[] logprobs, Routing? routing)
        {
            Logprobs = logprobs;
            Routing = routing;
        }

        /// <summary>Of each id after those before it; the first is 0.</summary>
        public float[] Logprobs { get; }
        /// <summary>Which experts were used, where that was asked for.</summary>
        public Routing? Routing { get; }
    }

    /// <summary>New weights of one tensor, for <see cref="Model.SetWeights"/>.</summary>
    public sealed class Tensor
    {
        /// <summary>In float32.</summary>
        public Tensor(string name, long[] shape, float[] data) : this(name, DType.F32, shape, Bytes(data))
        {
        }

        /// <summary>In any type, as its bytes: row-major, contiguous, in the byte order of this machine.</summary>
        public Tensor(string name, DType dtype, long[] shape, byte[] data)
        {
            Name = name ?? throw new ArgumentNullException(nameof(name));
            DType = dtype;
            Shape = shape ?? throw new ArgumentNullException(nameof(shape));
            Data = data ?? throw new ArgumentNullException(nameof(data));
        }

        /// <summary>Hugging Face's: "model.layers.0.self_attn.q_proj.weight".</summary>
        public string Name { get; }
        /// <summary>Of <see cref="Data"/>.</summary>
        public DType DType { get; }
        /// <summary>Outermost first.</summary>
        public long[] Shape { get; }
        /// <summary>The numbers.</summary>
        public byte[] Data { get; }

        private static byte[] Bytes(float[] data)
        {
            if (data == null) throw new ArgumentNullException(nameof(data));
            var bytes = new byte[checked(data.Length * sizeof(float))];
            Buffer.BlockCopy(data, 0, bytes, 0, bytes.Length);
            return bytes;
        }
    }

    /// <summary>What a model takes, in bytes.</summary>
    public sealed class Memory
    {
        internal Memory(ulong budget, ulong used, ulong weights, ulong prefixCache, ulong scratch, ulong mapped)
        {
            Budget = budget;
            Used = used;
            Weights = weights;
            PrefixCache = prefixCache;
            Scratch = scratch;
            Mapped = mapped;
        }

        /// <summary><see cref="ModelOptions.MemoryBudget"/>; 0: no limit.</summary>
        public ulong Budget { get; }
        /// <summary>What counts within it: weights, pages of sessions and of the prefix cache, scratch.</summary>
        public ulong Used { get; }
        /// <summary>The packed weights, without <see cref="Mapped"/>.</summary>
        public ulong Weights { get; }
        /// <summary>Its pages; those that sessions use as well are in memory once.</summary>
        public ulong PrefixCache { get; }
        /// <summary>Of the passes.</summary>
        public ulong Scratch { get; }
        /// <summary>Weights that lie in a packed file: not in <see cref="Used"/>; the system shares them between
        /// processes and drops them when memory is short.</summary>
        public ulong Mapped { get; }
    }

    /// <summary>What a model is and costs.</summary>
    public sealed class ModelInfo
    {
        internal ModelInfo()
        {
        }

        /// <summary>Hugging Face's model_type, "deepseek_v3".</summary>
        public string Architecture { get; internal set; } = "";
        /// <summary>As the file calls itself, or "".</summary>
        public string Name { get; internal set; } = "";
        /// <summary>Stored types by share of parameters, "Q4_1 97%, F32 3%".</summary>
        public string Quantization { get; internal set; } = "";
        /// <summary>"native", "onednn" or "blas".</summary>
        public string Backend { get; internal set; } = "";
        /// <summary>Instruction set of the native kernels, "avx2".</summary>
        public string Isa { get; internal set; } = "";
        /// <summary>All parameters.</summary>
        public long ParametersTotal { get; internal set; }
        /// <summary>That one token meets: chosen and shared experts, the embedding row not counted.</summary>
        public long ParametersActive { get; internal set; }
        /// <summary>Layers.</summary>
        public long NumHiddenLayers { get; internal set; }
        /// <summary>Width.</summary>
        public long HiddenSize { get; internal set; }
        /// <summary>Columns of the logits.</summary>
        public long VocabSize { get; internal set; }
        /// <summary>Positions that a session can hold.</summary>
        public long ContextMax { get; internal set; }
        /// <summary>0: a dense model.</summary>
        public long NRoutedExperts { get; internal set; }
        /// <summary>Experts chosen for a token.</summary>
        public long NumExpertsPerTok { get; internal set; }
        /// <summary>Experts that every token meets.</summary>
        public long NSharedExperts { get; internal set; }
        /// <summary>All layers together.</summary>
        public long CacheBytesPerToken { get; internal set; }
        /// <summary>Of the packed weights in memory; with SkipWeights: as stored in the file.</summary>
        public ulong WeightBytes { get; internal set; }
        /// <summary>Read to decode one token.</summary>
        public ulong ActiveWeightBytes { get; internal set; }
        /// <summary>Needed for weights and one session of 4096 positions (or ContextMax if less).</summary>
        public ulong MemoryBytes { get; internal set; }
        /// <summary>How long it took to open.</summary>
        public double LoadSeconds { get; internal set; }
        /// <summary>Threads that compute.</summary>
        public int Threads { get; internal set; }
        /// <summary>Whether questions are put through a template.</summary>
        public bool HasChatTemplate { get; internal set; }
        /// <summary>The model marks its thought, and the library splits it from the answer.</summary>
        public bool Thinks { get; internal set; }
        /// <summary>null: none.</summary>
        public int? BosTokenId { get; internal set; }
        /// <summary>The first of them; null: none.</summary>
        public int? EosTokenId { get; internal set; }
        /// <summary>Layers of multi-token prediction that are loaded.</summary>
        public int NumMtpLayers { get; internal set; }
        /// <summary>Layers with routed experts: rows of a routing.</summary>
        public long NumMoeLayers { get; internal set; }
        /// <summary>How the model writes tool calls, "hermes"; "": it knows no tools, and the system message
        /// describes them.
        /// </summary>
        public string ToolFormat { get; internal set; } = "";
    }
}

// How a reply is generated: pensee_options and pensee_sampling, property by property, in the header's order. null
// always means "as if it were not there": the header's INIT value. Ranges are checked by the library, which names the
// field.
using System.Collections.Generic;

namespace Pensee
{
    /// <summary>How tokens are drawn. Part of <see cref="Options"/>, and what its
    /// <see cref="Options.AnswerSampling"/> takes.</summary>
    public class Sampling
    {
        /// <summary>0: greedy; null: as the model recommends, else 0.6.</summary>
        public float? Temperature { get; set; }
        /// <summary>(0, 1], 1: off; null: as the model recommends, else 0.95.</summary>
        public float? TopP { get; set; }
        /// <summary>[0, 1], 0: off.</summary>
        public float? MinP { get; set; }
        /// <summary>0: off; null: as the model recommends, else off.</summary>
        public int? TopK { get; set; }
        /// <summary>(0, 1]: tokens of typical surprise; 1 or 0: off.</summary>
        public float? TypicalP { get; set; }
        /// <summary>Keeps logits within so many standard deviations of the best; 0: off.</summary>
        public float? TopNSigma { get; set; }
        /// <summary>[0, 1]: how often all but the last of those above <see cref="XtcThreshold"/> go.</summary>
        public float? XtcProbability { get; set; }
        /// <summary>(0, 0.5]; 0: 0.1.</summary>
        public float? XtcThreshold { get; set; }
        /// <summary>Logits of tokens seen are divided by it; 1 or 0: off.</summary>
        public float? RepetitionPenalty { get; set; }
        /// <summary>-2..2, for each time a token was seen.</summary>
        public float? FrequencyPenalty { get; set; }
        /// <summary>-2..2, once for a token seen.</summary>
        public float? PresencePenalty { get; set; }
        /// <summary>Tokens that these three look back; -1: the whole context; 0: 64.</summary>
        public int? PenaltyLastN { get; set; }
        /// <summary>0: off; else repeating a sequence of more than <see cref="DryAllowedLength"/> tokens costs
        /// multiplier * base ^ (length - allowed length).</summary>
        public float? DryMultiplier { get; set; }
        /// <summary>0: 1.75.</summary>
        public float? DryBase { get; set; }
        /// <summary>Tokens that may be repeated freely; 0: 2.</summary>
        public int? DryAllowedLength { get; set; }
        /// <summary>Tokens to look back; -1: the whole context; 0: 1024.</summary>
        public int? DryLastN { get; set; }
        /// <summary>Texts that no repeated sequence crosses; null: newline, colon, quotation mark and
        /// asterisk.</summary>
        public IReadOnlyList<string>? DryBreakers { get; set; }
        /// <summary>0: off; 2: mirostat 2.0 instead of the cutting samplers.</summary>
        public int? Mirostat { get; set; }
        /// <summary>Surprise aimed at, in bits; 0: 5.</summary>
        public float? MirostatTau { get; set; }
        /// <summary>Learning rate; 0: 0.1.</summary>
        public float? MirostatEta { get; set; }
        /// <summary>Token id: added to its logit; negative infinity forbids the token.</summary>
        public IReadOnlyDictionary<int, float>? LogitBias { get; set; }
        /// <summary>Samplers, each at most once; those left out do not run. null: penalties, DRY, temperature,
        /// top-n-sigma,
        /// top-k, top-p, min-p, typical, XTC.</summary>
        public IReadOnlyList<Sampler>? Order { get; set; }
    }

    /// <summary>How a reply is generated. A new one asks for what the model recommends.</summary>
    public sealed class Options : Sampling
    {
        /// <summary>Thought and answer together; null or 0: until the context is full.</summary>
        public long? MaxTokens { get; set; }
        /// <summary>Tokens of thought; at the limit the thought is closed and the answer follows. 0: closed at once;
        /// null or
        /// -1: no limit.</summary>
        public long? ThinkBudget { get; set; }
        /// <summary>Same seed, same text; null or 0: a new one each time (<see cref="Usage.Seed"/> tells it).</summary>
        public ulong? Seed { get; set; }
        /// <summary>The answer ends before the first of these that appears.</summary>
        public IReadOnlyList<string>? Stop { get; set; }
        /// <summary>Go on past end-of-text tokens, for measuring.</summary>
        public bool IgnoreEos { get; set; }
        /// <summary>Alternatives reported with each token, 0..20.</summary>
        public int TopLogprobs { get; set; }
        /// <summary>How much to think.</summary>
        public Effort Effort { get; set; }
        /// <summary>Samples of the reply, which share the prompt; 0: 1; at most 1024. Their events come
        /// interleaved.</summary>
        public int N { get; set; }
        /// <summary>-100..100: higher goes first, and waits less for its turn.</summary>
        public int Priority { get; set; }
        /// <summary>Tokens of answer; at the limit the reply ends. null or 0: no limit.</summary>
        public long? AnswerBudget { get; set; }
        /// <summary>Tokens of thought before which the model may not close it; the think budget wins.</summary>
        public long? MinThought { get; set; }
        /// <summary>The reply begins with an open thought even where the template leaves it to the model.</summary>
        public bool OpenThought { get; set; }
        /// <summary>The thought begins with this text (and is opened for it).</summary>
        public string? ThoughtPrefix { get; set; }
        /// <summary>The answer begins with it.</summary>
        public string? AnswerPrefix { get; set; }
        /// <summary>What the thought says when it is closed for it; null: the sentence that the family knows; "":
        /// nothing.
        /// </summary>
        public string? BudgetText { get; set; }
        /// <summary>Whether a thought that goes in circles (the same <see cref="LoopNgram"/> tokens came
        /// <see cref="LoopRepeats"/> times within <see cref="LoopWindow"/>) is closed and answered.</summary>
        public LoopGuard LoopGuard { get; set; }
        /// <summary>Tokens; 0: 32.</summary>
        public int LoopNgram { get; set; }
        /// <summary>0: 4.</summary>
        public int LoopRepeats { get; set; }
        /// <summary>Tokens; 0: 2048.</summary>
        public int LoopWindow { get; set; }
        /// <summary>How tokens are drawn after the thought; null: as within it.</summary>
        public Sampling? AnswerSampling { get; set; }
        /// <summary>A JSON schema that the answer (never the thought) is held to. At most one of these three.</summary>
        public string? JsonSchema { get; set; }
        /// <summary>A regular expression that the whole answer matches.</summary>
        public string? Regex { get; set; }
        /// <summary>A grammar in GBNF, starting at root.</summary>
        public string? Grammar { get; set; }
        /// <summary>What the model may do with its tools.</summary>
        public ToolChoice ToolChoice { get; set; }
        /// <summary>Guessing ahead, which changes no token.</summary>
        public Speculation Speculation { get; set; }
        /// <summary>Tokens drafted ahead at most, 1..64; 0: 16.</summary>
        public int DraftMax { get; set; }
        /// <summary>A small model with the same tokens.</summary>
        public Model? DraftModel { get; set; }
        /// <summary>Events tell the experts of their pass, the reply the routing of the whole context.</summary>
        public bool TraceExperts { get; set; }
    }

    /// <summary>How a vote is held.</summary>
    public sealed class VoteOptions
    {
        /// <summary>Replies; 0: 16.</summary>
        public int N { get; set; }
        /// <summary>How votes are counted.</summary>
        public VoteWeighting Weighting { get; set; }
        /// <summary>None is cancelled when the majority is certain.</summary>
        public bool All { get; set; }
        /// <summary>Replies under way at the same time; 0: all.</summary>
        public int AtOnce { get; set; }
    }
}

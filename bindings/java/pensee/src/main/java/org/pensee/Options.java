package org.pensee;

import java.util.List;
import java.util.Objects;

/**
 * How a reply is generated. {@link #builder} begins with what the model recommends.
 *
 * @param sampling       how tokens are drawn: temperature and the like
 * @param maxTokens      thought and answer together; 0: until the context is full
 * @param thinkBudget    tokens of thought; at the limit the thought is closed and the answer follows; 0: closed at
 *                       once; -1: no limit
 * @param seed           same seed, same text (unsigned); 0: a new one each time ({@link Usage#seed()} tells it)
 * @param stop           the answer ends before the first of these that appears
 * @param ignoreEos      go on past end-of-text tokens, for measuring
 * @param topLogprobs    alternatives reported with each token, 0..20
 * @param effort         how much to think
 * @param n              samples of the reply, which share the prompt; 0: 1; at most 1024; their events come interleaved
 * @param priority       -100..100: higher goes first, and waits less for its turn
 * @param answerBudget   tokens of answer; at the limit the reply ends; 0: no limit
 * @param minThought     tokens of thought before which the model may not close it; thinkBudget wins
 * @param openThought    the reply begins with an open thought even where the template leaves it to the model
 * @param thoughtPrefix  the thought begins with this text (and is opened for it); null: none
 * @param answerPrefix   the answer begins with it; null: none
 * @param budgetText     what the thought says when it is closed for it; null: the sentence that the family knows; "":
 *                       nothing
 * @param loopGuard      whether a thought that goes in circles (the same loopNgram tokens came loopRepeats times within
 *                       loopWindow) is closed and answered
 * @param loopNgram      tokens; 0: 32
 * @param loopRepeats    0: 4
 * @param loopWindow     tokens; 0: 2048
 * @param answerSampling how tokens are drawn after the thought; null: as within it
 * @param jsonSchema     a JSON schema that the answer (never the thought) is held to; at most one of these three; null:
 *                       none
 * @param regex          a regular expression that the whole answer matches; null: none
 * @param grammar        a grammar in GBNF, starting at root; null: none
 * @param toolChoice     what the model may do with its tools
 * @param speculation    guessing ahead, which changes no token
 * @param draftMax       tokens drafted ahead at most, 1..64; 0: 16
 * @param draftModel     a small model with the same tokens; null: none
 * @param traceExperts   events tell the experts of their pass, the reply the routing of the whole context
 */
public record Options(Sampling sampling, long maxTokens, long thinkBudget, long seed, List<String> stop,
                      boolean ignoreEos, int topLogprobs, Effort effort, int n, int priority, long answerBudget,
                      long minThought, boolean openThought, String thoughtPrefix, String answerPrefix,
                      String budgetText, LoopGuard loopGuard, int loopNgram, int loopRepeats, int loopWindow,
                      Sampling answerSampling, String jsonSchema, String regex, String grammar, ToolChoice toolChoice,
                      Speculation speculation, int draftMax, Model draftModel, boolean traceExperts) {
    /** What the model recommends, in everything. */
    public static final Options DEFAULT = builder().build();

    /** All of them: use {@link #builder}. */
    public Options {
        Objects.requireNonNull(sampling, "sampling");
        stop = List.copyOf(stop);
        Objects.requireNonNull(effort, "effort");
        Objects.requireNonNull(loopGuard, "loopGuard");
        Objects.requireNonNull(toolChoice, "toolChoice");
        Objects.requireNonNull(speculation, "speculation");
    }

    /**
     * What the model recommends, to be changed.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * These options, to be changed.
     *
     * @return a new builder
     */
    public Builder toBuilder() {
        final Builder to = new Builder();
        to.from(sampling);
        to.maxTokens = maxTokens;
        to.thinkBudget = thinkBudget;
        to.seed = seed;
        to.stop = stop;
        to.ignoreEos = ignoreEos;
        to.topLogprobs = topLogprobs;
        to.effort = effort;
        to.n = n;
        to.priority = priority;
        to.answerBudget = answerBudget;
        to.minThought = minThought;
        to.openThought = openThought;
        to.thoughtPrefix = thoughtPrefix;
        to.answerPrefix = answerPrefix;
        to.budgetText = budgetText;
        to.loopGuard = loopGuard;
        to.loopNgram = loopNgram;
        to.loopRepeats = loopRepeats;
        to.loopWindow = loopWindow;
        to.answerSampling = answerSampling;
        to.jsonSchema = jsonSchema;
        to.regex = regex;
        to.grammar = grammar;
        to.toolChoice = toolChoice;
        to.speculation = speculation;
        to.draftMax = draftMax;
        to.draftModel = draftModel;
        to.traceExperts = traceExperts;
        return to;
    }

    /** Makes {@link Options}, option by option. */
    public static final class Builder extends SamplingBuilder<Builder> {
        private long maxTokens;
        private long thinkBudget = -1;
        private long seed;
        private List<String> stop = List.of();
        private boolean ignoreEos;
        private int topLogprobs;
        private Effort effort = Effort.DEFAULT;
        private int n;
        private int priority;
        private long answerBudget;
        private long minThought;
        private boolean openThought;
        private String thoughtPrefix;
        private String answerPrefix;
        private String budgetText;
        private LoopGuard loopGuard = LoopGuard.ON;
        private int loopNgram;
        private int loopRepeats;
        private int loopWindow;
        private Sampling answerSampling;
        private String jsonSchema;
        private String regex;
        private String grammar;
        private ToolChoice toolChoice = ToolChoice.AUTO;
        private Speculation speculation = Speculation.AUTO;
        private int draftMax;
        private Model draftModel;
        private boolean traceExperts;

        private Builder() {
        }

        /** Thought and answer together; 0: until the context is full. */
        public Builder maxTokens(long maxTokens) {
            this.maxTokens = maxTokens;
            return this;
        }

        /**
         * Tokens of thought; at the limit the thought is closed and the answer follows; 0: closed at once; -1: no
         * limit.
         */
        public Builder thinkBudget(long thinkBudget) {
            this.thinkBudget = thinkBudget;
            return this;
        }

        /** Same seed, same text (unsigned); 0: a new one each time ({@link Usage#seed()} tells it). */
        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        /** The answer ends before the first of these that appears. */
        public Builder stop(String... stop) {
            this.stop = List.of(stop);
            return this;
        }

        /** Go on past end-of-text tokens, for measuring. */
        public Builder ignoreEos(boolean ignoreEos) {
            this.ignoreEos = ignoreEos;
            return this;
        }

        /** Alternatives reported with each token, 0..20. */
        public Builder topLogprobs(int topLogprobs) {
            this.topLogprobs = topLogprobs;
            return this;
        }

        /** How much to think. */
        public Builder effort(Effort effort) {
            this.effort = effort;
            return this;
        }

        /** Samples of the reply, which share the prompt; 0: 1; at most 1024; their events come interleaved. */
        public Builder n(int n) {
            this.n = n;
            return this;
        }

        /** -100..100: higher goes first, and waits less for its turn. */
        public Builder priority(int priority) {
            this.priority = priority;
            return this;
        }

        /** Tokens of answer; at the limit the reply ends; 0: no limit. */
        public Builder answerBudget(long answerBudget) {
            this.answerBudget = answerBudget;
            return this;
        }

        /** Tokens of thought before which the model may not close it; thinkBudget wins. */
        public Builder minThought(long minThought) {
            this.minThought = minThought;
            return this;
        }

        /** The reply begins with an open thought even where the template leaves it to the model. */
        public Builder openThought(boolean openThought) {
            this.openThought = openThought;
            return this;
        }

        /** The thought begins with this text (and is opened for it); null: none. */
        public Builder thoughtPrefix(String thoughtPrefix) {
            this.thoughtPrefix = thoughtPrefix;
            return this;
        }

        /** The answer begins with it; null: none. */
        public Builder answerPrefix(String answerPrefix) {
            this.answerPrefix = answerPrefix;
            return this;
        }

        /** What the thought says when it is closed for it; null: the sentence that the family knows; "": nothing. */
        public Builder budgetText(String budgetText) {
            this.budgetText = budgetText;
            return this;
        }

        /**
         * Whether a thought that goes in circles (the same loopNgram tokens came loopRepeats times within loopWindow)
         * is closed and answered.
         */
        public Builder loopGuard(LoopGuard loopGuard) {
            this.loopGuard = loopGuard;
            return this;
        }

        /** Tokens; 0: 32. */
        public Builder loopNgram(int loopNgram) {
            this.loopNgram = loopNgram;
            return this;
        }

        /** 0: 4. */
        public Builder loopRepeats(int loopRepeats) {
            this.loopRepeats = loopRepeats;
            return this;
        }

        /** Tokens; 0: 2048. */
        public Builder loopWindow(int loopWindow) {
            this.loopWindow = loopWindow;
            return this;
        }

        /** How tokens are drawn after the thought; null: as within it. */
        public Builder answerSampling(Sampling answerSampling) {
            this.answerSampling = answerSampling;
            return this;
        }

        /** A JSON schema that the answer (never the thought) is held to; at most one of these three; null: none. */
        public Builder jsonSchema(String jsonSchema) {
            this.jsonSchema = jsonSchema;
            return this;
        }

        /** A regular expression that the whole answer matches; null: none. */
        public Builder regex(String regex) {
            this.regex = regex;
            return this;
        }

        /** A grammar in GBNF, starting at root; null: none. */
        public Builder grammar(String grammar) {
            this.grammar = grammar;
            return this;
        }

        /** What the model may do with its tools. */
        public Builder toolChoice(ToolChoice toolChoice) {
            this.toolChoice = toolChoice;
            return this;
        }

        /** Guessing ahead, which changes no token. */
        public Builder speculation(Speculation speculation) {
            this.speculation = speculation;
            return this;
        }

        /** Tokens drafted ahead at most, 1..64; 0: 16. */
        public Builder draftMax(int draftMax) {
            this.draftMax = draftMax;
            return this;
        }

        /** A small model with the same tokens; null: none. */
        public Builder draftModel(Model draftModel) {
            this.draftModel = draftModel;
            return this;
        }

        /** Events tell the experts of their pass, the reply the routing of the whole context. */
        public Builder traceExperts(boolean traceExperts) {
            this.traceExperts = traceExperts;
            return this;
        }

        /**
         * The options.
         *
         * @return what was set, and the defaults elsewhere
         */
        public Options build() {
            return new Options(sampling(), maxTokens, thinkBudget, seed, stop, ignoreEos, topLogprobs, effort, n,
                               priority, answerBudget, minThought, openThought, thoughtPrefix, answerPrefix,
                               budgetText, loopGuard, loopNgram, loopRepeats, loopWindow, answerSampling, jsonSchema,
                               regex, grammar, toolChoice, speculation, draftMax, draftModel, traceExperts);
        }

        @Override
        Builder self() {
            return this;
        }
    }
}

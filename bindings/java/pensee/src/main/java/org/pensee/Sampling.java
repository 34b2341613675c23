package org.pensee;

import java.util.List;
import java.util.Map;

/**
 * How tokens are drawn: a part of {@link Options}, and what {@link Options#answerSampling()} takes.
 *
 * @param temperature       0: greedy; -1: as the model recommends, else 0.6
 * @param topP              (0, 1], 1: off; -1: as the model recommends, else 0.95
 * @param minP              [0, 1], 0 or -1: off
 * @param topK              0: off; -1: as the model recommends, else off
 * @param typicalP          (0, 1]: tokens of typical surprise; 1 or 0: off
 * @param topNSigma         keeps logits within so many standard deviations of the best; 0: off
 * @param xtcProbability    [0, 1]: how often all but the last of those above xtcThreshold go
 * @param xtcThreshold      (0, 0.5]; 0: 0.1
 * @param repetitionPenalty logits of tokens seen are divided by it; 1 or 0: off
 * @param frequencyPenalty  -2..2, for each time a token was seen
 * @param presencePenalty   -2..2, once for a token seen
 * @param penaltyLastN      tokens that these three look back; -1: the whole context; 0: 64
 * @param dryMultiplier     0: off; else repeating a sequence of more than dryAllowedLength tokens costs multiplier *
 *                          base ^ (length - allowed length)
 * @param dryBase           0: 1.75
 * @param dryAllowedLength  tokens that may be repeated freely; 0: 2
 * @param dryLastN          tokens to look back; -1: the whole context; 0: 1024
 * @param dryBreakers       texts that no repeated sequence crosses; null: newline, colon, quotation mark and asterisk
 * @param mirostat          0: off; 2: mirostat 2.0 instead of the cutting samplers
 * @param mirostatTau       surprise aimed at, in bits; 0: 5
 * @param mirostatEta       learning rate; 0: 0.1
 * @param logitBias         token id: added to its logit; negative infinity forbids the token
 * @param order             samplers, each at most once; those left out do not run; null: penalties, DRY, temperature,
 *                          top-n-sigma, top-k, top-p, min-p, typical, XTC
 */
public record Sampling(float temperature, float topP, float minP, int topK, float typicalP, float topNSigma,
                       float xtcProbability, float xtcThreshold, float repetitionPenalty, float frequencyPenalty,
                       float presencePenalty, int penaltyLastN, float dryMultiplier, float dryBase,
                       int dryAllowedLength, int dryLastN, List<String> dryBreakers, int mirostat, float mirostatTau,
                       float mirostatEta, Map<Integer, Float> logitBias, List<Sampler> order) {
    /** All of them: use {@link #builder}. */
    public Sampling {
        if (dryBreakers != null) dryBreakers = List.copyOf(dryBreakers);
        logitBias = Map.copyOf(logitBias);
        if (order != null) order = List.copyOf(order);
    }

    /**
     * What the model recommends, to be changed.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link Sampling}, option by option. */
    public static final class Builder extends SamplingBuilder<Builder> {
        private Builder() {
        }

        /**
         * The sampling.
         *
         * @return what was set, and the defaults elsewhere
         */
        public Sampling build() {
            return sampling();
        }

        @Override
        Builder self() {
            return this;
        }
    }
}

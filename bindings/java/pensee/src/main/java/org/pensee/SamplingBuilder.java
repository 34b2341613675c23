package org.pensee;

import java.util.List;
import java.util.Map;

/**
 * What the builders of {@link Options} and {@link Sampling} share.
 *
 * @param <B> the builder
 */
public abstract class SamplingBuilder<B> {
    private float temperature = -1;
    private float topP = -1;
    private float minP = -1;
    private int topK = -1;
    private float typicalP;
    private float topNSigma;
    private float xtcProbability;
    private float xtcThreshold;
    private float repetitionPenalty;
    private float frequencyPenalty;
    private float presencePenalty;
    private int penaltyLastN;
    private float dryMultiplier;
    private float dryBase;
    private int dryAllowedLength;
    private int dryLastN;
    private List<String> dryBreakers;
    private int mirostat;
    private float mirostatTau;
    private float mirostatEta;
    private Map<Integer, Float> logitBias = Map.of();
    private List<Sampler> order;

    SamplingBuilder() {
    }

    /** 0: greedy; -1: as the model recommends, else 0.6. */
    public B temperature(float temperature) {
        this.temperature = temperature;
        return self();
    }

    /** (0, 1], 1: off; -1: as the model recommends, else 0.95. */
    public B topP(float topP) {
        this.topP = topP;
        return self();
    }

    /** [0, 1], 0 or -1: off. */
    public B minP(float minP) {
        this.minP = minP;
        return self();
    }

    /** 0: off; -1: as the model recommends, else off. */
    public B topK(int topK) {
        this.topK = topK;
        return self();
    }

    /** (0, 1]: tokens of typical surprise; 1 or 0: off. */
    public B typicalP(float typicalP) {
        this.typicalP = typicalP;
        return self();
    }

    /** Keeps logits within so many standard deviations of the best; 0: off. */
    public B topNSigma(float topNSigma) {
        this.topNSigma = topNSigma;
        return self();
    }

    /** [0, 1]: how often all but the last of those above xtcThreshold go. */
    public B xtcProbability(float xtcProbability) {
        this.xtcProbability = xtcProbability;
        return self();
    }

    /** (0, 0.5]; 0: 0.1. */
    public B xtcThreshold(float xtcThreshold) {
        this.xtcThreshold = xtcThreshold;
        return self();
    }

    /** Logits of tokens seen are divided by it; 1 or 0: off. */
    public B repetitionPenalty(float repetitionPenalty) {
        this.repetitionPenalty = repetitionPenalty;
        return self();
    }

    /** -2..2, for each time a token was seen. */
    public B frequencyPenalty(float frequencyPenalty) {
        this.frequencyPenalty = frequencyPenalty;
        return self();
    }

    /** -2..2, once for a token seen. */
    public B presencePenalty(float presencePenalty) {
        this.presencePenalty = presencePenalty;
        return self();
    }

    /** Tokens that these three look back; -1: the whole context; 0: 64. */
    public B penaltyLastN(int penaltyLastN) {
        this.penaltyLastN = penaltyLastN;
        return self();
    }

    /**
     * 0: off; else repeating a sequence of more than dryAllowedLength tokens costs multiplier * base ^ (length -
     * allowed length).
     */
    public B dryMultiplier(float dryMultiplier) {
        this.dryMultiplier = dryMultiplier;
        return self();
    }

    /** 0: 1.75. */
    public B dryBase(float dryBase) {
        this.dryBase = dryBase;
        return self();
    }

    /** Tokens that may be repeated freely; 0: 2. */
    public B dryAllowedLength(int dryAllowedLength) {
        this.dryAllowedLength = dryAllowedLength;
        return self();
    }

    /** Tokens to look back; -1: the whole context; 0: 1024. */
    public B dryLastN(int dryLastN) {
        this.dryLastN = dryLastN;
        return self();
    }

    /** Texts that no repeated sequence crosses; null: newline, colon, quotation mark and asterisk. */
    public B dryBreakers(String... dryBreakers) {
        this.dryBreakers = List.of(dryBreakers);
        return self();
    }

    /** 0: off; 2: mirostat 2.0 instead of the cutting samplers. */
    public B mirostat(int mirostat) {
        this.mirostat = mirostat;
        return self();
    }

    /** Surprise aimed at, in bits; 0: 5. */
    public B mirostatTau(float mirostatTau) {
        this.mirostatTau = mirostatTau;
        return self();
    }

    /** Learning rate; 0: 0.1. */
    public B mirostatEta(float mirostatEta) {
        this.mirostatEta = mirostatEta;
        return self();
    }

    /** Token id: added to its logit; negative infinity forbids the token. */
    public B logitBias(Map<Integer, Float> logitBias) {
        this.logitBias = Map.copyOf(logitBias);
        return self();
    }

    /**
     * Samplers, each at most once; those left out do not run; null: penalties, DRY, temperature, top-n-sigma, top-k,
     * top-p, min-p, typical, XTC.
     */
    public B order(Sampler... order) {
        this.order = List.of(order);
        return self();
    }

    abstract B self();

    final void from(Sampling sampling) {
        temperature = sampling.temperature();
        topP = sampling.topP();
        minP = sampling.minP();
        topK = sampling.topK();
        typicalP = sampling.typicalP();
        topNSigma = sampling.topNSigma();
        xtcProbability = sampling.xtcProbability();
        xtcThreshold = sampling.xtcThreshold();
        repetitionPenalty = sampling.repetitionPenalty();
        frequencyPenalty = sampling.frequencyPenalty();
        presencePenalty = sampling.presencePenalty();
        penaltyLastN = sampling.penaltyLastN();
        dryMultiplier = sampling.dryMultiplier();
        dryBase = sampling.dryBase();
        dryAllowedLength = sampling.dryAllowedLength();
        dryLastN = sampling.dryLastN();
        dryBreakers = sampling.dryBreakers();
        mirostat = sampling.mirostat();
        mirostatTau = sampling.mirostatTau();
        mirostatEta = sampling.mirostatEta();
        logitBias = sampling.logitBias();
        order = sampling.order();
    }

    final Sampling sampling() {
        return new Sampling(temperature, topP, minP, topK, typicalP, topNSigma, xtcProbability, xtcThreshold,
                            repetitionPenalty, frequencyPenalty, presencePenalty, penaltyLastN, dryMultiplier, dryBase,
                            dryAllowedLength, dryLastN, dryBreakers, mirostat, mirostatTau, mirostatEta, logitBias,
                            order);
    }
}

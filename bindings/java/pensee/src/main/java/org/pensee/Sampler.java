package org.pensee;

/** Samplers by name, for {@link Sampling#order()}. */
public enum Sampler {
    /** Repetition, frequency and presence. */
    PENALTIES(1),
    /** The penalty of repeated sequences. */
    DRY(2),
    /** Division by the temperature. */
    TEMPERATURE(3),
    /** Keeps logits near the best. */
    TOP_N_SIGMA(4),
    /** Keeps the k best. */
    TOP_K(5),
    /** Keeps the best that make up the probability p. */
    TOP_P(6),
    /** Keeps what is at least p times as likely as the best. */
    MIN_P(7),
    /** Keeps tokens of typical surprise. */
    TYPICAL(8),
    /** Now and then leaves out the likeliest. */
    XTC(9);

    /** pensee.h's number. */
    final int value;

    Sampler(int value) {
        this.value = value;
    }
}

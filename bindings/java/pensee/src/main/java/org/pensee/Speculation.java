package org.pensee;

/** Guessing ahead. The tokens and their log-probabilities are the same with any of them. */
public enum Speculation {
    /** The draft model if one is given, else MTP where it is loaded, else n-grams. */
    AUTO(0),
    /** None. */
    OFF(1),
    /** What followed the last tokens when they came before. */
    NGRAM(2),
    /** The model's own layer of multi-token prediction. */
    MTP(3),
    /** {@link Options#draftModel()}. */
    DRAFT(4);

    /** pensee.h's number. */
    final int value;

    Speculation(int value) {
        this.value = value;
    }
}

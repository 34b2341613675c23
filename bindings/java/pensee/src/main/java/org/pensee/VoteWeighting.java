package org.pensee;

/** How votes are counted. */
public enum VoteWeighting {
    /** Each reply has one vote. */
    PLAIN(0),
    /** Each vote weighs the mean probability of its reply's tokens. */
    CONFIDENCE(1);

    /** pensee.h's number. */
    final int value;

    VoteWeighting(int value) {
        this.value = value;
    }
}

package org.pensee;

import java.util.Objects;

/**
 * How a vote is held.
 *
 * @param n         replies; 0: 16
 * @param weighting how votes are counted
 * @param all       none is cancelled when the majority is certain
 * @param atOnce    replies under way at the same time; 0: all
 */
public record VoteOptions(int n, VoteWeighting weighting, boolean all, int atOnce) {
    /** What the library does by itself: {@code VoteOptions.DEFAULT.withN(8)}. */
    public static final VoteOptions DEFAULT = new VoteOptions(0, VoteWeighting.PLAIN, false, 0);

    /** All of them. */
    public VoteOptions {
        Objects.requireNonNull(weighting, "weighting");
    }

    /**
     * The same with another number of replies.
     *
     * @param replies 0: 16
     * @return the options
     */
    public VoteOptions withN(int replies) {
        return new VoteOptions(replies, weighting, all, atOnce);
    }
}

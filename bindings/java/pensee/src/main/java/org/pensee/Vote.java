package org.pensee;

import java.util.List;

/**
 * What replies to one prompt agree on.
 *
 * @param answers the distribution, winner first
 * @param replies all of them; those that were cancelled have no vote
 */
public record Vote(List<VoteAnswer> answers, List<Reply> replies) {
    /**
     * The winner.
     *
     * @return null where no reply came to an answer
     */
    public String answer() {
        return answers.isEmpty() ? null : answers.get(0).answer();
    }

    /**
     * The first reply that came to the winner.
     *
     * @return null where none did
     */
    public Reply reply() {
        return answers.isEmpty() ? null : replies.get(answers.get(0).reply());
    }
}

package org.pensee;

/**
 * An answer that replies came to.
 *
 * @param answer as the first of them has it
 * @param votes  how many
 * @param weight its share of all weight, 0..1
 * @param reply  index of the first reply that came to it
 */
public record VoteAnswer(String answer, int votes, float weight, int reply) {
}

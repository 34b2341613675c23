package org.pensee;

/**
 * What {@link Model#score} found.
 *
 * @param logprobs of each id after those before it; the first is 0
 * @param routing  which experts were used, where that was asked for; else null
 */
public record Score(float[] logprobs, Routing routing) {
}

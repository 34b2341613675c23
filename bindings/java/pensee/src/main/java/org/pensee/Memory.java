package org.pensee;

/**
 * What a model takes, in bytes.
 *
 * @param budget      {@link ModelOptions#memoryBudget()}; 0: no limit
 * @param used        what counts within it: weights, pages of sessions and of the prefix cache, scratch
 * @param weights     the packed weights, without `mapped`
 * @param prefixCache its pages; those that sessions use as well are in memory once
 * @param scratch     of the passes
 * @param mapped      weights that lie in a packed file: not in `used`; the system shares them between processes and
 *                    drops them when memory is short
 */
public record Memory(long budget, long used, long weights, long prefixCache, long scratch, long mapped) {
}

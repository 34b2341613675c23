package org.pensee;

import java.util.Objects;

/**
 * Which experts computed what: [positions, numMoeLayers, numExpertsPerTok] row by row, best expert first. One that was
 * made by hand may be replayed by {@link Model#score}.
 *
 * @param positions        of the context, from its begin; 1 for an event
 * @param numMoeLayers     layers with experts
 * @param numExpertsPerTok experts chosen in each layer
 * @param expertIds        -1: not known
 * @param expertWeights    what each expert's output was multiplied with
 */
public record Routing(long positions, long numMoeLayers, long numExpertsPerTok, int[] expertIds,
                      float[] expertWeights) {
    /** Arrays are kept, not copied. */
    public Routing {
        Objects.requireNonNull(expertIds, "expertIds");
        Objects.requireNonNull(expertWeights, "expertWeights");
    }
}

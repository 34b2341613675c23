package org.pensee;

/**
 * What a model is and costs.
 *
 * @param architecture       Hugging Face's model_type, "deepseek_v3"
 * @param name               as the file calls itself, or ""
 * @param quantization       stored types by share of parameters, "Q4_1 97%, F32 3%"
 * @param backend            "native", "onednn" or "blas"
 * @param isa                instruction set of the native kernels, "avx2"
 * @param parametersTotal    all parameters
 * @param parametersActive   that one token meets: chosen and shared experts, the embedding row not counted
 * @param numHiddenLayers    layers
 * @param hiddenSize         width
 * @param vocabSize          columns of the logits
 * @param contextMax         positions that a session can hold
 * @param nRoutedExperts     0: a dense model
 * @param numExpertsPerTok   experts chosen for a token
 * @param nSharedExperts     experts that every token meets
 * @param cacheBytesPerToken all layers together
 * @param weightBytes        of the packed weights in memory; with skipWeights: as stored in the file
 * @param activeWeightBytes  read to decode one token
 * @param memoryBytes        needed for weights and one session of 4096 positions (or contextMax if less)
 * @param loadSeconds        how long it took to open
 * @param threads            threads that compute
 * @param hasChatTemplate    whether questions are put through a template
 * @param thinks             the model marks its thought, and the library splits it from the answer
 * @param bosTokenId         -1: none
 * @param eosTokenId         the first of them; -1: none
 * @param numMtpLayers       layers of multi-token prediction that are loaded
 * @param numMoeLayers       layers with routed experts: rows of a routing
 * @param toolFormat         how the model writes tool calls, "hermes"; "": it knows no tools, and the system message
 *                           describes them
 */
public record ModelInfo(String architecture, String name, String quantization, String backend, String isa,
                        long parametersTotal, long parametersActive, long numHiddenLayers, long hiddenSize,
                        long vocabSize, long contextMax, long nRoutedExperts, long numExpertsPerTok,
                        long nSharedExperts, long cacheBytesPerToken, long weightBytes, long activeWeightBytes,
                        long memoryBytes, double loadSeconds, int threads, boolean hasChatTemplate, boolean thinks,
                        int bosTokenId, int eosTokenId, int numMtpLayers, long numMoeLayers, String toolFormat) {
}

package org.pensee;

/**
 * What a generation cost. Times are seconds from the call.
 *
 * @param promptTokens          tokens of the prompt
 * @param cachedTokens          of the prompt: not computed again, because the session remembered them
 * @param thoughtTokens         tags included
 * @param answerTokens          tokens of the answer
 * @param secondsToFirstToken   from the call
 * @param seconds               from the call to the end
 * @param promptTokensPerSecond of the part that was computed
 * @param tokensPerSecond       of the tokens after the first
 * @param parametersActive      a token
 * @param flops                 two for each weight that a computed token meets; attention not counted
 * @param weightBytesRead       of packed weights, by all tokens decoded and once for each chunk of the prompt
 * @param seed                  that was used (unsigned): give it again for the same text
 * @param draftedTokens         by speculation
 * @param acceptedTokens        of the drafted ones
 * @param passes                forward passes that the reply took after the prompt
 * @param secondsWaiting        for a turn, before the first token of the prompt was computed
 */
public record Usage(long promptTokens, long cachedTokens, long thoughtTokens, long answerTokens,
                    double secondsToFirstToken, double seconds, double promptTokensPerSecond, double tokensPerSecond,
                    long parametersActive, double flops, double weightBytesRead, long seed, long draftedTokens,
                    long acceptedTokens, long passes, double secondsWaiting) {
}

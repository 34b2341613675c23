package org.pensee;

import java.util.ArrayList;
import java.util.List;

/**
 * A whole reply: the thought and the answer apart. Arrays belong to whoever holds it.
 *
 * @param thought      "" when there was none
 * @param answer       what follows the thought
 * @param toolCalls    calls of tools, in their order
 * @param usage        what it cost
 * @param finishReason why it ended
 * @param tokenIds     all tokens that were generated, the thought's first
 * @param logprobs     one for each of tokenIds: natural logarithms, at temperature 1
 * @param messageJson  the reply as an OpenAI-shaped message
 * @param routing      with {@link Options#traceExperts()}: of every computed position of prompt and reply; else null
 * @param otherSamples of {@link Options#n()}: all but this one, which is the first
 */
public record Reply(String thought, String answer, List<ToolCall> toolCalls, Usage usage, FinishReason finishReason,
                    int[] tokenIds, float[] logprobs, String messageJson, Routing routing, List<Reply> otherSamples) {
    /**
     * The reply as a message, to be appended to the conversation.
     *
     * @return the message
     */
    public Message message() {
        return new Message("assistant", messageJson);
    }

    /**
     * All of {@link Options#n()}: this reply and the others.
     *
     * @return at least one
     */
    public List<Reply> samples() {
        final List<Reply> all = new ArrayList<>();
        all.add(this);
        all.addAll(otherSamples);
        return all;
    }

    /** The answer. */
    @Override
    public String toString() {
        return answer;
    }
}

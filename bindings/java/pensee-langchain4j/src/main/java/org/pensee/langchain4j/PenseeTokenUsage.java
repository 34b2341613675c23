package org.pensee.langchain4j;

import dev.langchain4j.model.output.TokenUsage;
import org.pensee.Usage;

/** What a request cost: LangChain4j's counts, and all that pensee tells. */
public final class PenseeTokenUsage extends TokenUsage {
    private final Usage usage;

    /**
     * Of one request.
     *
     * @param usage as pensee tells it
     */
    public PenseeTokenUsage(Usage usage) {
        super(Math.toIntExact(usage.promptTokens()), Math.toIntExact(usage.thoughtTokens() + usage.answerTokens()));
        this.usage = usage;
    }

    /**
     * Tokens of the thought, tokens that were cached, seconds and the like.
     *
     * @return as pensee tells it
     */
    public Usage usage() {
        return usage;
    }
}

package org.pensee.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.ArrayList;
import java.util.List;
import org.pensee.FinishReason;
import org.pensee.Model;
import org.pensee.PenseeException;
import org.pensee.ToolCall;
import org.pensee.Usage;

/** From pensee's replies to LangChain4j's. */
final class Responses {
    private Responses() {
    }

    static ChatResponse response(Model model, String thought, String answer, List<ToolExecutionRequest> calls,
                                 FinishReason reason, Usage usage) {
        final AiMessage message = AiMessage.builder()
            .text(answer.isEmpty() && !calls.isEmpty() ? null : answer)
            .thinking(thought.isEmpty() ? null : thought)
            .toolExecutionRequests(calls)
            .build();
        final String name = model.info().name();
        return ChatResponse.builder().aiMessage(message).modelName(name.isEmpty() ? model.info().architecture() : name)
            .tokenUsage(new PenseeTokenUsage(usage)).finishReason(reason(reason)).build();
    }

    static List<ToolExecutionRequest> calls(List<ToolCall> from) {
        final List<ToolExecutionRequest> calls = new ArrayList<>();
        for (ToolCall call : from) {
            calls.add(ToolExecutionRequest.builder().id(call.id()).name(call.name()).arguments(call.argumentsJson())
                .build());
        }
        return calls;
    }

    /** What LangChain4j tries again and what it does not. */
    static RuntimeException exception(PenseeException failure) {
        return switch (failure.status()) {
            case BUSY -> new RateLimitException(failure.getMessage(), failure);
            case BAD_ARGUMENT, UNSUPPORTED, CONTEXT_FULL -> new InvalidRequestException(failure.getMessage(), failure);
            default -> failure;
        };
    }

    private static dev.langchain4j.model.output.FinishReason reason(FinishReason reason) {
        return switch (reason) {
            case STOP, BUDGET, LOOP -> dev.langchain4j.model.output.FinishReason.STOP;
            case LENGTH -> dev.langchain4j.model.output.FinishReason.LENGTH;
            case TOOL_CALL -> dev.langchain4j.model.output.FinishReason.TOOL_EXECUTION;
            default -> dev.langchain4j.model.output.FinishReason.OTHER;
        };
    }
}

package org.pensee.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.Json;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import java.util.ArrayList;
import java.util.List;
import org.pensee.Message;
import org.pensee.Options;
import org.pensee.Prompt;
import org.pensee.Tool;
import org.pensee.ToolCall;
import org.pensee.ToolChoice;

/**
 * From LangChain4j's requests to pensee's. What a request asks for and the library has not (an image) is an
 * UnsupportedFeatureException: nothing is left out in silence.
 */
final class Requests {
    private static final String ANY_OBJECT = "{\"type\": \"object\"}";

    private Requests() {
    }

    static Prompt prompt(ChatRequest request) {
        final List<Message> messages = new ArrayList<>();
        for (ChatMessage message : request.messages()) messages.add(message(message));
        final Prompt prompt = Prompt.of(messages);
        final List<Tool> tools = new ArrayList<>();
        for (ToolSpecification tool : request.toolSpecifications()) {
            tools.add(new Tool("{\"type\": \"function\", \"function\": " + tool.toJson() + "}"));
        }
        return tools.isEmpty() ? prompt : prompt.withTools(tools.toArray(new Tool[0]));
    }

    static Options options(ChatRequest from, Options defaults) {
        final Options.Builder to = defaults.toBuilder();
        if (from.temperature() != null) to.temperature(from.temperature().floatValue());
        if (from.topP() != null) to.topP(from.topP().floatValue());
        if (from.topK() != null) to.topK(from.topK());
        if (from.frequencyPenalty() != null) to.frequencyPenalty(from.frequencyPenalty().floatValue());
        if (from.presencePenalty() != null) to.presencePenalty(from.presencePenalty().floatValue());
        if (from.maxOutputTokens() != null) to.maxTokens(from.maxOutputTokens());
        if (!from.stopSequences().isEmpty()) to.stop(from.stopSequences().toArray(new String[0]));
        final ResponseFormat format = from.responseFormat();
        if (format != null && format.type() == ResponseFormatType.JSON) {
            to.jsonSchema(format.jsonSchema() == null ? ANY_OBJECT
                          : Json.toJson(JsonSchemaElementUtils.toMap(format.jsonSchema().rootElement())));
        }
        final List<ToolSpecification> tools = from.toolSpecifications();
        final boolean strict = !tools.isEmpty() && tools.stream().allMatch(tool -> Boolean.TRUE.equals(tool.strict()));
        if (strict) to.toolChoice(ToolChoice.STRICT);
        if (from.toolChoice() != null) {
            to.toolChoice(switch (from.toolChoice()) {
                case AUTO -> strict ? ToolChoice.STRICT : ToolChoice.AUTO;
                case REQUIRED -> ToolChoice.REQUIRED;
                case NONE -> ToolChoice.NONE;
            });
        }
        return to.build();
    }

    private static Message message(ChatMessage message) {
        if (message instanceof SystemMessage system) return Message.system(system.text());
        if (message instanceof UserMessage user) return Message.user(text(user.contents()));
        if (message instanceof ToolExecutionResultMessage result) {
            return Message.tool(result.id() == null ? "" : result.id(), text(result.contents()));
        }
        if (message instanceof AiMessage reply) {
            final List<ToolCall> calls = new ArrayList<>();
            for (ToolExecutionRequest call : reply.toolExecutionRequests()) {
                calls.add(new ToolCall(call.id() == null ? "" : call.id(), call.name(),
                                       call.arguments() == null ? "{}" : call.arguments()));
            }
            return Message.assistant(reply.text() == null ? "" : reply.text(), reply.thinking(), calls);
        }
        throw new UnsupportedFeatureException("pensee has no use for a " + message.getClass().getSimpleName());
    }

    private static String text(List<Content> contents) {
        final List<String> texts = new ArrayList<>();
        for (Content content : contents) {
            if (!(content instanceof TextContent text)) {
                throw new UnsupportedFeatureException("pensee has no use for a " + content.getClass().getSimpleName());
            }
            texts.add(text.text());
        }
        return String.join("\n", texts);
    }
}

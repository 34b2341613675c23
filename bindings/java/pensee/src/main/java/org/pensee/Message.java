package org.pensee;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * An OpenAI-shaped message of a conversation, kept as its JSON text.
 *
 * @param role "system", "user", "assistant", "tool"; "" where the message came as JSON
 * @param json the message as a JSON object
 */
public record Message(String role, String json) {
    /**
     * What the model is told to be.
     *
     * @param content the text
     * @return the message
     */
    public static Message system(String content) {
        return of("system", content, null, null, List.of());
    }

    /**
     * What the user says.
     *
     * @param content the text
     * @return the message
     */
    public static Message user(String content) {
        return of("user", content, null, null, List.of());
    }

    /**
     * What the model said. A reply's own message is {@link Reply#message}.
     *
     * @param content the answer
     * @return the message
     */
    public static Message assistant(String content) {
        return of("assistant", content, null, null, List.of());
    }

    /**
     * What the model said, with its thought and its tool calls.
     *
     * @param content   the answer
     * @param thought   null: none
     * @param toolCalls may be empty
     * @return the message
     */
    public static Message assistant(String content, String thought, List<ToolCall> toolCalls) {
        return of("assistant", content, thought, null, toolCalls);
    }

    /**
     * The result of a tool call.
     *
     * @param toolCallId {@link ToolCall#id} of the call
     * @param content    what the tool says
     * @return the message
     */
    public static Message tool(String toolCallId, String content) {
        return of("tool", content, null, Objects.requireNonNull(toolCallId, "toolCallId"), List.of());
    }

    /**
     * A message that is written already.
     *
     * @param json a JSON object
     * @return the message
     */
    public static Message fromJson(String json) {
        return new Message("", Objects.requireNonNull(json, "json"));
    }

    /** The JSON text. */
    @Override
    public String toString() {
        return json;
    }

    private static Message of(String role, String content, String thought, String toolCallId, List<ToolCall> calls) {
        final JsonText json = new JsonText().add("role", role).add("content", content);
        if (thought != null) json.add("reasoning_content", thought);
        if (toolCallId != null) json.add("tool_call_id", toolCallId);
        final List<String> written = new ArrayList<>();
        for (ToolCall call : calls) {
            final String function = new JsonText().add("name", call.name()).add("arguments", call.argumentsJson())
                .end();
            written.add(new JsonText().add("id", call.id()).add("type", "function").addRaw("function", function)
                .end());
        }
        if (!written.isEmpty()) json.addRaw("tool_calls", "[" + String.join(", ", written) + "]");
        return new Message(role, json.end());
    }
}

package org.pensee;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;

/** What to continue: a question, a conversation, or token ids; perhaps with tools. Never changes. */
public final class Prompt {
    private final String text;
    private final String system;
    private final String messagesJson;
    private final String toolsJson;
    private final int[] ids;

    private Prompt(String text, String system, String messagesJson, String toolsJson, int[] ids) {
        this.text = text;
        this.system = system;
        this.messagesJson = messagesJson;
        this.toolsJson = toolsJson;
        this.ids = ids;
    }

    /**
     * One question of a user, put through the chat template; as it stands where the model has none.
     *
     * @param text the question
     * @return the prompt
     */
    public static Prompt of(String text) {
        return new Prompt(Objects.requireNonNull(text, "text"), null, null, null, null);
    }

    /**
     * A whole conversation.
     *
     * @param messages in their order
     * @return the prompt
     */
    public static Prompt of(List<Message> messages) {
        return ofMessagesJson(messages.stream().map(Message::json).collect(Collectors.joining(", ", "[", "]")));
    }

    /**
     * Token ids, raw: no template, no BOS.
     *
     * @param ids as {@link Model#tokenize} gives them; copied
     * @return the prompt
     */
    public static Prompt of(int[] ids) {
        return new Prompt(null, null, null, null, ids.clone());
    }

    /**
     * A whole conversation.
     *
     * @param json an array of OpenAI-shaped messages; "reasoning_content" holds a thought
     * @return the prompt
     */
    public static Prompt ofMessagesJson(String json) {
        return new Prompt(null, null, Objects.requireNonNull(json, "json"), null, null);
    }

    /**
     * The same prompt with a system message before {@link #text}.
     *
     * @param message null: none
     * @return the prompt
     */
    public Prompt withSystem(String message) {
        return new Prompt(text, message, messagesJson, toolsJson, ids);
    }

    /**
     * The same prompt with tools.
     *
     * @param tools that the model may call
     * @return the prompt
     */
    public Prompt withTools(Tool... tools) {
        return withToolsJson(Arrays.stream(tools).map(Tool::json).collect(Collectors.joining(", ", "[", "]")));
    }

    /**
     * The same prompt with tools.
     *
     * @param json an array of OpenAI-shaped tools, given to the template
     * @return the prompt
     */
    public Prompt withToolsJson(String json) {
        return new Prompt(text, system, messagesJson, json, ids);
    }

    /**
     * The question.
     *
     * @return null: the prompt is of another kind
     */
    public String text() {
        return text;
    }

    /**
     * The system message before the question.
     *
     * @return null: none
     */
    public String system() {
        return system;
    }

    /**
     * The conversation.
     *
     * @return a JSON array; null: the prompt is of another kind
     */
    public String messagesJson() {
        return messagesJson;
    }

    /**
     * The tools.
     *
     * @return a JSON array; null: none
     */
    public String toolsJson() {
        return toolsJson;
    }

    /**
     * The token ids.
     *
     * @return a copy; null: the prompt is of another kind
     */
    public int[] ids() {
        return ids == null ? null : ids.clone();
    }
}

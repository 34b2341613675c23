package org.pensee;

/**
 * A call of one of the tools.
 *
 * @param id            to be repeated in the message with the result: {@link Message#tool}
 * @param name          of the tool
 * @param argumentsJson a JSON object
 */
public record ToolCall(String id, String name, String argumentsJson) {
    /** For a debugger: name(arguments). */
    @Override
    public String toString() {
        return name + "(" + argumentsJson + ")";
    }
}

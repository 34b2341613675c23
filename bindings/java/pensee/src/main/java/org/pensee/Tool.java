package org.pensee;

import java.util.Objects;

/**
 * A tool that the model may call.
 *
 * @param json the tool as an OpenAI-shaped JSON object
 */
public record Tool(String json) {
    /** One that is written already. */
    public Tool {
        Objects.requireNonNull(json, "json");
    }

    /**
     * A function.
     *
     * @param name           its name
     * @param description    what it is good for
     * @param parametersJson the JSON schema of its arguments
     */
    public Tool(String name, String description, String parametersJson) {
        this(new JsonText().add("type", "function").addRaw("function", new JsonText().add("name", name)
            .add("description", description).addRaw("parameters", parametersJson).end()).end());
    }
}

package org.pensee;

/** What the model may do with its tools. */
public enum ToolChoice {
    /** The model decides; arguments come as it writes them. */
    AUTO(0),
    /** The model decides; names and arguments are held to the tools given. */
    STRICT(1),
    /** The answer is one call, held to the tools given. */
    REQUIRED(2),
    /** The template is not told of them. */
    NONE(3);

    /** pensee.h's number. */
    final int value;

    ToolChoice(int value) {
        this.value = value;
    }
}

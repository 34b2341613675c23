package org.pensee;

/** How much a model shall think, as far as its family knows levels; a think budget elsewhere. */
public enum Effort {
    /** As the model does by itself. */
    DEFAULT(0),
    /** No thought, where the family can leave it out. */
    NONE(1),
    /** A budget of 256 tokens where the family has no levels. */
    MINIMAL(2),
    /** 1024 tokens. */
    LOW(3),
    /** 4096 tokens. */
    MEDIUM(4),
    /** 16384 tokens. */
    HIGH(5),
    /** 32768 tokens. */
    XHIGH(6),
    /** No limit. */
    MAX(7);

    /** pensee.h's number. */
    final int value;

    Effort(int value) {
        this.value = value;
    }
}

package org.pensee;

/** How the native backend meets quantised weights. */
public enum Activations {
    /** {@link #INT16}. */
    AUTO(0),
    /** 16-bit groups of 32: as good as float32. */
    INT16(1),
    /** 8-bit groups of 32: faster prompts, coarser, may flip experts. */
    INT8(2);

    /** pensee.h's number. */
    final int value;

    Activations(int value) {
        this.value = value;
    }
}

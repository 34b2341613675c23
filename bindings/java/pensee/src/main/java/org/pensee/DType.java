package org.pensee;

/** The number type of a {@link Tensor}. */
public enum DType {
    /** 32-bit floats. */
    F32(1),
    /** 16-bit floats. */
    F16(2),
    /** bfloat16. */
    BF16(3);

    /** pensee.h's number. */
    final int value;

    DType(int value) {
        this.value = value;
    }
}

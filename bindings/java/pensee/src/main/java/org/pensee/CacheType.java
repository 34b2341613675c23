package org.pensee;

/** How keys, values and latents are kept. */
public enum CacheType {
    /** {@link #F32}. */
    AUTO(0),
    /** 32-bit floats. */
    F32(1),
    /** 16-bit floats. */
    F16(2),
    /** bfloat16. */
    BF16(3),
    /** 8-bit blocks of 32 with a scale each. */
    INT8(4),
    /** 4-bit blocks, rotated: for values alone ({@link ModelOptions#valueCacheType()}). */
    INT4(5);

    /** pensee.h's number. */
    final int value;

    CacheType(int value) {
        this.value = value;
    }
}

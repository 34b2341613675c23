package org.pensee;

/** What computes. Identical tokens whatever the threads are promised by the native kernels alone. */
public enum Backend {
    /** The native kernels. */
    AUTO(0),
    /** pensee's own SIMD kernels. */
    NATIVE(1),
    /** oneDNN: close to native, not identical; unsupported where it is not built in. */
    ONEDNN(2),
    /** OpenBLAS in float32: likewise. */
    BLAS(3);

    /** pensee.h's number. */
    final int value;

    Backend(int value) {
        this.value = value;
    }
}

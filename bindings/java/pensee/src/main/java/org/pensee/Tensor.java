package org.pensee;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * New weights of one tensor, for {@link Model#setWeights}.
 *
 * @param name  Hugging Face's: "model.layers.0.self_attn.q_proj.weight"
 * @param dtype of the data
 * @param shape outermost first
 * @param data  the numbers from its position to its limit: row-major, contiguous, in the byte order of this machine;
 *              a direct buffer is read where it lies, another one is copied first
 */
public record Tensor(String name, DType dtype, long[] shape, ByteBuffer data) {
    /** In any type. */
    public Tensor {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(dtype, "dtype");
        Objects.requireNonNull(shape, "shape");
        Objects.requireNonNull(data, "data");
    }

    /**
     * In float32.
     *
     * @param name  Hugging Face's
     * @param shape outermost first
     * @param data  row-major; copied
     */
    public Tensor(String name, long[] shape, float[] data) {
        this(name, DType.F32, shape, bytes(data));
    }

    private static ByteBuffer bytes(float[] data) {
        final ByteBuffer bytes = ByteBuffer.allocateDirect(Math.multiplyExact(data.length, Float.BYTES))
            .order(ByteOrder.nativeOrder());
        bytes.asFloatBuffer().put(data);
        return bytes;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What a header must know of a tensor before the tensor itself is there.
 *
 * @param shape sizes of the dimensions, outermost first; empty for a single number
 */
public record TensorSpec(String name, StoredType dtype, List<Long> shape) {
    /** libtorch's iterators stop at 64 dimensions. */
    static final int MAX_RANK = 64;

    /** @throws IllegalArgumentException where no file could hold the tensor */
    public TensorSpec {
        shape = List.copyOf(shape);
        String problem = problem(dtype, shape);
        if (!problem.isEmpty()) {
            throw new IllegalArgumentException("tensor " + name + ": " + problem);
        }
    }

    /** The specification of a tensor that is there. */
    public static TensorSpec of(String name, Tensor tensor) {
        ScalarType type = tensor.scalar_type();
        StoredType dtype = StoredType.of(type)
                .orElseThrow(() -> new IllegalArgumentException(
                        "tensor " + name + ": safetensors cannot store libtorch's " + type.intern()));
        List<Long> shape = IntStream.range(0, Math.toIntExact(tensor.dim()))
                .mapToObj(tensor::size)
                .toList();
        return new TensorSpec(name, dtype, shape);
    }

    /** Number of elements. */
    public long elements() {
        return elements(shape);
    }

    /** Bytes that the elements take. */
    public long bytes() {
        return elements() * dtype.bits() / Byte.SIZE;
    }

    static long elements(List<Long> shape) {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /** Which rule of the format such a tensor would break; empty where it breaks none. */
    static String problem(StoredType dtype, List<Long> shape) {
        if (shape.size() > MAX_RANK) {
            return "has %d dimensions; at most %d are supported".formatted(shape.size(), MAX_RANK);
        }
        try {
            // Zeros count as ones here, because libtorch computes strides in this way even for tensors without
            // elements.
            long span = shape.stream().map(size -> Math.max(size, 1)).reduce((long) dtype.bits(), Math::multiplyExact);
            return shape.contains(0L) || span % Byte.SIZE == 0
                    ? ""
                    : "shape %s of %s takes %d bits; it must be a whole number of bytes".formatted(shape, dtype, span);
        } catch (ArithmeticException e) {
            return "shape %s of %s overflows: its bits must be countable in 63 bits".formatted(shape, dtype);
        }
    }
}

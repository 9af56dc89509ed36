// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * What a kernel reads to work on many runs of elements in one launch: a row of 64-bit numbers for each, which are the
 * addresses of its tensors, its elements, and the chunks of the runs before it. Blocks take chunks.
 */
final class RunTable {
    /** The macro for {@link #CHUNK}. */
    static final String CHUNK_MACRO = "CHUNK";

    /** Elements that a block takes at a time. */
    static final int CHUNK = 8192;

    /** Blocks beyond this many take several chunks; eight and more to each processor of any GPU. */
    static final int MAX_BLOCKS = 4096;

    private final int columns;
    private final int count;
    private final long[] numbers;
    private long chunks;

    /** @param runs the tensors of each, alike in number and contiguous; null for a tensor that is not there */
    RunTable(List<? extends List<@Nullable Tensor>> runs) {
        this.count = runs.size();
        this.columns = runs.get(0).size() + 2;
        this.numbers = new long[count * columns];
        for (int run = 0; run < count; run++) {
            put(run * columns, runs.get(run));
        }
    }

    private void put(int at, List<@Nullable Tensor> tensors) {
        long elements = -1;
        int column = at;
        for (@Nullable Tensor tensor : tensors) {
            if (tensor != null) {
                requireLike(elements, tensor);
                elements = tensor.numel();
                numbers[column] = elements == 0 ? 0 : tensor.data_ptr().address();
            }
            column++;
        }
        numbers[column] = elements;
        numbers[column + 1] = chunks;
        chunks += (elements + CHUNK - 1) / CHUNK;
    }

    private static void requireLike(long elements, Tensor tensor) {
        if (!tensor.is_contiguous() || (elements >= 0 && elements != tensor.numel())) {
            throw new IllegalArgumentException("a run of %d elements with a tensor of shape %s and strides %s"
                    .formatted(
                            elements,
                            Arrays.toString(tensor.shape()),
                            Arrays.toString(tensor.strides().vec().get())));
        }
    }

    /** Runs, a row each. */
    int count() {
        return count;
    }

    /** Of all runs together. */
    long chunks() {
        return chunks;
    }

    /** Of a launch: one for each chunk, as far as they go. */
    int blocks() {
        return (int) Math.min(chunks, MAX_BLOCKS);
    }

    /** [runs, columns] int64, in the caller's scope. */
    Tensor on(Device device) {
        return device.ofLongs(numbers, count, columns);
    }
}

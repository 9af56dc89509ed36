// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.util.List;

/**
 * A tensor as a file's header describes it.
 *
 * @param shape sizes of the dimensions, outermost first; empty for a single number
 * @param begin where its bytes begin, counted from the end of the header
 * @param end where its bytes end, exclusive
 */
public record TensorEntry(String name, StoredType dtype, List<Long> shape, long begin, long end) {
    public TensorEntry {
        shape = List.copyOf(shape);
    }

    /** Number of elements. */
    public long elements() {
        return TensorSpec.elements(shape);
    }

    /** Bytes in the file. */
    public long bytes() {
        return end - begin;
    }
}

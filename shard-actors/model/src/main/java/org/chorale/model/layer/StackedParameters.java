// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;

/**
 * The same matrix of all experts as one tensor [E, O, I], a view of the flat buffer that they lie in: evenly spaced, because
 * their parameters follow each other there in the same order and sizes. Several matrices of an expert that lie over each other
 * are one.
 *
 * @param experts E lists of those that lie over each other
 */
record StackedParameters(List<List<Parameter>> experts) {
    /** Bytes that a grouped product on a GPU reads at once. */
    private static final long ACCESS_BYTES = 16;

    /** Whether all values can be seen as one. */
    boolean isEven() {
        return isEven(Parameter::value);
    }

    /** Whether every row of every matrix begins and ends at a multiple of 16 bytes, O and I being multiples of that. */
    boolean isAligned() {
        try (TensorScope scope = new TensorScope()) {
            Tensor all = values();
            long elements = ACCESS_BYTES / all.element_size();
            return all.size(1) % elements == 0
                    && all.size(2) % elements == 0
                    && all.stride(0) % elements == 0
                    && all.data_ptr().address() % ACCESS_BYTES == 0;
        }
    }

    /** [E, O, I], in the open scope. */
    Tensor values() {
        return stacked(Parameter::value);
    }

    /** Adds scale·aᵀ·b of each expert's rows, a [S, O] and b [S, I]; nothing is computed where they are frozen. */
    void addGradientProducts(GroupedMatmul products, Tensor a, Tensor b, double scale) {
        if (!first().trainable()) {
            return;
        }
        try (TensorScope scope = new TensorScope()) {
            Parameter.addGradient(
                    experts.stream().flatMap(List::stream).toList(),
                    stacked(parameter -> Objects.requireNonNull(parameter.gradientMemory())),
                    new GradientAddend.Grouped(products, a, b, scale));
        }
    }

    private Parameter first() {
        return experts.get(0).get(0);
    }

    private Tensor stacked(Function<Parameter, Tensor> what) {
        Tensor first = what.apply(first());
        long inputs = first.size(1);
        return first.as_strided(
                new long[] {experts.size(), outputs(what), inputs}, new long[] {stride(what), inputs, 1});
    }

    /** O. */
    private long outputs(Function<Parameter, Tensor> what) {
        return experts.get(0).stream()
                .mapToLong(part -> what.apply(part).size(0))
                .sum();
    }

    /** Elements from one expert to the next. */
    private long stride(Function<Parameter, Tensor> what) {
        Tensor first = what.apply(first());
        return experts.size() == 1
                ? outputs(what) * first.size(1)
                : what.apply(experts.get(1).get(0)).storage_offset() - first.storage_offset();
    }

    private boolean isEven(Function<Parameter, Tensor> what) {
        Tensor first = what.apply(first());
        long stride = stride(what);
        for (int expert = 0; expert < experts.size(); expert++) {
            long offset = first.storage_offset() + expert * stride;
            for (Parameter parameter : experts.get(expert)) {
                Tensor part = what.apply(parameter);
                if (!part.is_alias_of(first)
                        || part.storage_offset() != offset
                        || part.size(1) != first.size(1)
                        || !part.is_contiguous()) {
                    return false;
                }
                offset += part.numel();
            }
        }
        return stride >= outputs(what) * first.size(1);
    }
}

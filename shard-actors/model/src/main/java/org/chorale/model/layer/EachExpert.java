// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * One expert after the other, whatever its linears are: with FP8 factors, with adapters that drop inputs, with any layout in
 * memory.
 *
 * <p>The host launches the products of each expert and so has to know how many rows it has: on a GPU each layer's forward
 * waits for the device once (and once more where an expert's adapter drops inputs). The backward does not.
 */
final class EachExpert implements ExpertWay {
    private final List<GatedFeedForward> experts;

    EachExpert(List<GatedFeedForward> experts) {
        this.experts = experts;
    }

    @Override
    public Tensor forward(Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape) {
        Tensor given = torch.empty_like(rows);
        RowKeys keys = keys(dropout, routing);
        for (int expert = 0; expert < experts.size(); expert++) {
            if (routing.count(expert) > 0) {
                try (TensorScope scope = new TensorScope()) {
                    Tensor own = routing.part(rows, expert);
                    routing.part(given, expert).copy_(experts.get(expert).forward(own, keys.of(expert), tape));
                }
            }
        }
        return given;
    }

    @Override
    public void again(Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape) {
        RowKeys keys = keys(dropout, routing);
        for (int expert = 0; expert < experts.size(); expert++) {
            if (routing.count(expert) > 0) {
                try (TensorScope scope = new TensorScope()) {
                    experts.get(expert).again(routing.part(rows, expert), keys.of(expert), tape);
                }
            }
        }
    }

    @Override
    public Tensor backward(
            Tensor dGiven, Weighing weighing, Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape) {
        RowKeys keys = keys(dropout, routing);
        for (int expert = experts.size() - 1; expert >= 0; expert--) { // the last has saved last
            if (routing.count(expert) > 0) {
                try (TensorScope scope = new TensorScope()) {
                    Tensor dOwn = routing.part(dGiven, expert);
                    dOwn.copy_(experts.get(expert)
                            .weightedBackward(
                                    dOwn,
                                    routing.part(weighing.weights(), expert),
                                    routing.part(weighing.gradient(), expert),
                                    routing.part(rows, expert),
                                    keys.of(expert),
                                    tape));
                }
            }
        }
        return dGiven;
    }

    /** The keys of each expert's rows. */
    @FunctionalInterface
    private interface RowKeys {
        @Nullable
        DropoutKeys of(int expert);
    }

    private RowKeys keys(@Nullable DropoutKeys dropout, Routing routing) {
        if (dropout == null || experts.stream().noneMatch(expert -> expert.drops(dropout))) {
            return expert -> null;
        }
        long[] rows = routing.rowsOnHost();
        return expert -> dropout.select(routing.part(rows, expert));
    }
}

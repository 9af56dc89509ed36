// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.Operator;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * The shares of keys by ATen's operators.
 *
 * @param cap 0 for none
 */
record AtenShares(double cap) implements SharesKernel {
    /** Of tanh, shares, and the gradients of shares, scores and products. */
    static final int BACKWARD_BLOCKS = 5;

    private static final Operator SOFTMAX_BACKWARD = Operator.named("aten::_softmax_backward_data");
    private static final Long LAST = -1L;

    /** Scores, and shares. */
    @Override
    public int forwardBlocks() {
        return 2;
    }

    @Override
    public int backwardBlocks() {
        return BACKWARD_BLOCKS;
    }

    @Override
    public Tensor forward(Tensor x, long queries, SeenKeys seen) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scores = capped() ? x.tanh_().mul_(Scalars.of(cap)) : x;
            return scope.keep(shares(scores, queries, seen));
        }
    }

    @Override
    public Gradients backward(Tensor x, Tensor dShares, long queries, SeenKeys seen) {
        try (TensorScope scope = new TensorScope()) {
            Tensor bent = capped() ? x.tanh_() : x;
            Tensor shares = scope.keep(sharesOf(bent, queries, seen));
            Tensor dScores = SOFTMAX_BACKWARD.call(dShares, shares, LAST, (long) shares.scalar_type().value)[0];
            return new Gradients(shares, scope.keep(capped() ? torch.tanh_backward(dScores, bent) : dScores));
        }
    }

    private Tensor sharesOf(Tensor bent, long queries, SeenKeys seen) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scores = capped() ? bent.mul(Scalars.of(cap)) : bent; // tanh says what its slope is
            return scope.keep(shares(scores, queries, seen));
        }
    }

    /** @param scores [heads, queries·G, keys], overwritten */
    private static Tensor shares(Tensor scores, long queries, SeenKeys seen) {
        Tensor ofQueries = scores.unflatten(1, queries, -1); // [heads, queries, G, keys]
        addMask(ofQueries, seen);
        hide(ofQueries, seen);
        return torch.softmax(scores, LAST);
    }

    private static void addMask(Tensor scores, SeenKeys seen) {
        Tensor mask = seen.mask();
        if (mask != null) {
            long sequences = mask.size(0);
            scores.unflatten(0, sequences, scores.size(0) / sequences).add_(mask.unsqueeze(3));
        }
    }

    private static void hide(Tensor scores, SeenKeys seen) {
        if (seen.last() == null) {
            return;
        }
        Tensor keys = Device.of(scores).range(seen.firstKey(), seen.firstKey() + scores.size(3));
        Tensor hidden = keys.gt(seen.last().unsqueeze(1)); // [queries, keys]
        if (seen.first() != null) {
            hidden.logical_or_(keys.lt(seen.first().unsqueeze(1)));
        }
        scores.masked_fill_(hidden.unsqueeze(1), Scalars.of(SeenKeys.HIDDEN));
    }

    private boolean capped() {
        return cap > 0;
    }
}

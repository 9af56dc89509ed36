// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The gated feed-forward network down(activation(gate x) · up x) (Shazeer 2020, arXiv 2002.05202).
 *
 * <p>R rows, D model width, F inner width. For its backward it saves what gate and up gave, side by side; what down was
 * given is computed again.
 */
public final class GatedFeedForward implements FeedForward {
    private final SideBySide gateAndUp;
    private final Linear down;
    private final Activation activation;

    /** @param gateAndUp two linears, gate first, or one that gives what both would, side by side */
    public GatedFeedForward(SideBySide gateAndUp, Linear down, Activation activation) {
        this.gateAndUp = gateAndUp;
        this.down = down;
        this.activation = activation;
    }

    @Override
    public boolean trainable() {
        return gateAndUp.trainable() || down.trainable();
    }

    /** Nothing for that of down. */
    @Override
    public long savedForAdapters() {
        return gateAndUp.savedWidth();
    }

    @Override
    public Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor both = gateAndUp.forward(x, dropout, tape); // [R, 2F]
            tape.push(both);
            Tensor inner = activation.gated(gate(both), up(both)); // [R, F]
            return scope.keep(down.forward(inner, dropout));
        }
    }

    @Override
    public void again(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            tape.push(gateAndUp.forward(x, dropout, tape));
        }
    }

    @Override
    public Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor both = tape.pop(); // [R, 2F]
            OutputGradient ofDown = down.outputGradient(dy);
            Tensor dInner = down.inputGradient(ofDown, dropout); // [R, F]
            Tensor inner = activation.gatedBackward(dInner, gate(both), up(both));
            down.addToGradients(ofDown, inner, down.again(inner, dropout), dropout);
            return scope.keep(gateAndUp.backward(both, x, dropout, tape));
        }
    }

    private static Tensor gate(Tensor both) {
        return both.narrow(1, 0, both.size(1) / 2);
    }

    private static Tensor up(Tensor both) {
        return both.narrow(1, both.size(1) / 2, both.size(1) / 2);
    }
}

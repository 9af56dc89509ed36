// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.SwiGluKernel;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The gated feed-forward network y = down(silu(gate(x)) · up(x)) (Shazeer 2020, arXiv 2002.05202).
 *
 * <p>R rows, D model width, F inner width. It saves what gate and up gave, [R, F] each, and computes again what down was
 * given; its own input is handed to the backward by the layer around it.
 */
public final class SwiGlu {
    private final SideBySide gateAndUp;
    private final Linear down;

    public SwiGlu(Linear gate, Linear up, Linear down) {
        this.gateAndUp = new SideBySide(gate, up);
        this.down = down;
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    public boolean trainable() {
        return gateAndUp.trainable() || down.trainable();
    }

    /** [R, D] → [R, D] */
    public Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor both = gateAndUp.forward(x, dropout, tape); // [R, 2F]
            tape.push(both);
            Tensor inner = SwiGluKernel.of(gate(both), up(both)).forward(gate(both), up(both)); // [R, F]
            return scope.keep(down.forward(inner, dropout));
        }
    }

    /** Saves once more what a forward saved, without what it gave. */
    public void again(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            tape.push(gateAndUp.forward(x, dropout, tape));
        }
    }

    /**
     * Adds to the gradients of the three linears.
     *
     * @param dy [R, D]
     * @param x [R, D], what forward was given
     * @return dx [R, D]
     */
    public Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor both = tape.pop(); // [R, 2F]
            Tensor dLow = down.innerGradient(dy); // [R, r]
            Tensor dInner = down.inputGradient(dy, dLow, dropout); // [R, F]
            Tensor inner = SwiGluKernel.of(gate(both), up(both)).backward(dInner, gate(both), up(both));
            down.addToGradients(dy, dLow, inner, down.inner(inner, dropout), dropout);
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

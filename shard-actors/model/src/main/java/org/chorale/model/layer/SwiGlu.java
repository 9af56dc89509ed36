// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.SwiGluKernel;
import org.chorale.model.kernel.SwiGluKernel.Gradients;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The gated feed-forward network y = down(silu(gate(x)) · up(x)) (Shazeer 2020, arXiv 2002.05202).
 *
 * <p>R rows, D model width, F inner width. It saves what gate and up gave, [R, F] each, and computes again what down was
 * given; its own input is handed to the backward by the layer around it.
 */
public final class SwiGlu {
    private final Linear gate;
    private final Linear up;
    private final Linear down;

    public SwiGlu(Linear gate, Linear up, Linear down) {
        this.gate = gate;
        this.up = up;
        this.down = down;
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    public boolean trainable() {
        return gate.trainable() || up.trainable() || down.trainable();
    }

    /** [R, D] → [R, D] */
    public Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor gated = gate.forward(x, dropout); // [R, F]
            Tensor raised = up.forward(x, dropout); // [R, F]
            tape.push(gated, raised);
            Tensor inner = SwiGluKernel.of(gated, raised).forward(gated, raised); // [R, F]
            return scope.keep(down.forward(inner, dropout));
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
            Tensor raised = tape.pop();
            Tensor gated = tape.pop();
            Tensor dInner = down.inputGradient(dy, dropout); // [R, F]
            Gradients inner = SwiGluKernel.of(gated, raised).backward(dInner, gated, raised);
            down.addToGradients(dy, inner.inner(), dropout);
            Tensor dx = up.backward(inner.dUp(), x, dropout);
            gate.backward(inner.dGate(), x, dropout, dx);
            return scope.keep(dx);
        }
    }
}

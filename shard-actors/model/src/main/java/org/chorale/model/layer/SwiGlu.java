// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The gated feed-forward network y = down(silu(gate(x)) · up(x)) (Shazeer 2020, arXiv 2002.05202).
 *
 * <p>R rows, D model width, F inner width.
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
            Tensor activated = torch.silu(gated); // [R, F]
            tape.push(x, gated, raised, activated);
            return scope.keep(down.forward(activated.mul(raised), dropout));
        }
    }

    /** [R, D] → [R, D] */
    public Tensor backward(Tensor dy, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor activated = tape.pop();
            Tensor raised = tape.pop();
            Tensor gated = tape.pop();
            Tensor x = tape.pop();
            Tensor dInner = down.backward(dy, activated.mul(raised), dropout); // [R, F]
            Tensor dx = up.backward(dInner.mul(activated), x, dropout);
            gate.backward(torch.silu_backward(dInner.mul_(raised), gated), x, dropout, dx);
            return scope.keep(dx);
        }
    }
}

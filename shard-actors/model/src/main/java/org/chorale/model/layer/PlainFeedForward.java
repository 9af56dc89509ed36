// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;

/**
 * The feed-forward network down(activation(up x)).
 *
 * <p>R rows, D model width, F inner width. For its backward it saves what up gave; what down was given is computed again.
 */
public final class PlainFeedForward implements FeedForward {
    private final Linear up;
    private final Linear down;
    private final Activation activation;

    public PlainFeedForward(Linear up, Linear down, Activation activation) {
        this.up = up;
        this.down = down;
        this.activation = activation;
    }

    @Override
    public boolean trainable() {
        return up.trainable() || down.trainable();
    }

    /** Nothing for that of down. */
    @Override
    public long savedForAdapters() {
        return up.savedWidth();
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context, Tape tape) {
        DropoutKeys dropout = context.dropout();
        try (TensorScope scope = new TensorScope()) {
            Tensor inner = up.forward(x, dropout, tape); // [R, F]
            tape.push(inner);
            return scope.keep(down.forward(activation.of(inner), dropout));
        }
    }

    @Override
    public void again(Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            tape.push(up.forward(x, context.dropout(), tape));
        }
    }

    @Override
    public Tensor backward(Tensor dy, Tensor x, SequenceContext context, Tape tape) {
        DropoutKeys dropout = context.dropout();
        try (TensorScope scope = new TensorScope()) {
            Tensor inner = tape.pop(); // [R, F]
            Tensor activated = activation.of(inner);
            OutputGradient ofDown = down.outputGradient(dy);
            down.addToGradients(ofDown, activated, down.again(activated, dropout), dropout);
            Tensor dInner = activation.backward(down.inputGradient(ofDown, dropout), inner);
            return scope.keep(up.backward(dInner, x, dropout, tape));
        }
    }
}

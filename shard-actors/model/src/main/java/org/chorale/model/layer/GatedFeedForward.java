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

    /** Whether any of its adapters drops some of its inputs. */
    boolean drops(@Nullable DropoutKeys keys) {
        return gateAndUp.drops(keys) || down.drops(keys);
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context, Tape tape) {
        return forward(x, context.dropout(), tape);
    }

    /** Likewise, of rows with these keys. */
    Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor both = gateAndUp.forward(x, dropout, tape); // [R, 2F]
            tape.push(both);
            Tensor inner = activation.gated(gate(both), up(both)); // [R, F]
            return scope.keep(down.forward(inner, dropout));
        }
    }

    @Override
    public void again(Tensor x, SequenceContext context, Tape tape) {
        again(x, context.dropout(), tape);
    }

    /** Likewise, of rows with these keys. */
    void again(Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            tape.push(gateAndUp.forward(x, dropout, tape));
        }
    }

    @Override
    public Tensor backward(Tensor dy, Tensor x, SequenceContext context, Tape tape) {
        DropoutKeys dropout = context.dropout();
        try (TensorScope scope = new TensorScope()) {
            Tensor both = tape.pop(); // [R, 2F]
            OutputGradient ofDown = down.outputGradient(dy);
            Tensor dInner = down.inputGradient(ofDown, dropout); // [R, F]
            Tensor inner = activation.gatedBackward(dInner, gate(both), up(both));
            down.addToGradients(ofDown, inner, down.again(inner, dropout), dropout);
            return scope.keep(gateAndUp.backward(both, x, dropout, tape));
        }
    }

    /**
     * Likewise, where each row of what the forward gave is multiplied by a weight afterwards, and down has no bias. The
     * weight is moved to what down is given: w·(W·inner) = W·(w·inner), so that what down gave need not be kept.
     *
     * @param dy [R, D], the gradient of the products
     * @param weights [R, 1], summed in fp32 at least
     * @param dWeights [R, 1], written
     */
    Tensor weightedBackward(
            Tensor dy, Tensor weights, Tensor dWeights, Tensor x, @Nullable DropoutKeys dropout, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor both = tape.pop(); // [R, 2F]
            OutputGradient ofDown = down.outputGradient(dy);
            Tensor dWeighted = down.inputGradient(ofDown, dropout); // [R, F]
            Tensor inner = activation.weightedBackward(dWeighted, gate(both), up(both), weights, dWeights);
            down.addToGradients(ofDown, inner, down.again(inner, dropout), dropout);
            return scope.keep(gateAndUp.backward(both, x, dropout, tape));
        }
    }

    SideBySide gateAndUp() {
        return gateAndUp;
    }

    Linear down() {
        return down;
    }

    Activation activation() {
        return activation;
    }

    static Tensor gate(Tensor both) {
        return both.narrow(1, 0, both.size(1) / 2);
    }

    static Tensor up(Tensor both) {
        return both.narrow(1, both.size(1) / 2, both.size(1) / 2);
    }
}

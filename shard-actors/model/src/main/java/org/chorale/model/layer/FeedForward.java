// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;

/**
 * The part of a block that works on each row by itself. Its own input is handed to the backward by the layer around it.
 *
 * <p>R rows, D model width.
 */
public interface FeedForward {
    /** Whether a backward has anything to do but hand the gradient on. */
    boolean trainable();

    /** Columns of what a forward saves for its linears' adapters, at most. */
    long savedForAdapters();

    /** [R, D] → [R, D] */
    Tensor forward(Tensor x, SequenceContext context, Tape tape);

    /** Saves once more what a forward saved, without what it gave. */
    void again(Tensor x, SequenceContext context, Tape tape);

    /**
     * Adds to the gradients of its parameters.
     *
     * @param dy [R, D]
     * @param x [R, D], what forward was given
     * @return dx [R, D]
     */
    Tensor backward(Tensor dy, Tensor x, SequenceContext context, Tape tape);
}

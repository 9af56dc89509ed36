// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The part of a block that works on each row by itself. Its own input is handed to the backward by the layer around it.
 *
 * <p>R rows, D model width.
 */
public interface FeedForward {
    /** Whether a backward has anything to do but hand the gradient on. */
    boolean trainable();

    /** Columns of what a forward saves for its linears' adapters. */
    long savedForAdapters();

    /** [R, D] → [R, D] */
    Tensor forward(Tensor x, @Nullable DropoutKeys dropout, Tape tape);

    /** Saves once more what a forward saved, without what it gave. */
    void again(Tensor x, @Nullable DropoutKeys dropout, Tape tape);

    /**
     * Adds to the gradients of its parameters.
     *
     * @param dy [R, D]
     * @param x [R, D], what forward was given
     * @return dx [R, D]
     */
    Tensor backward(Tensor dy, Tensor x, @Nullable DropoutKeys dropout, Tape tape);
}

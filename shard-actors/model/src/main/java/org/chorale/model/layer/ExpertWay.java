// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A way to compute the experts of a mixture, of rows that are sorted by expert.
 *
 * <p>S slots, D model width.
 */
interface ExpertWay {
    /** [S, D] → [S, D], what each slot's expert gives. */
    Tensor forward(Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape);

    /** Saves once more what a forward saved. */
    void again(Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape);

    /**
     * Adds to the gradients of the experts.
     *
     * @param dGiven [S, D], the gradient of what was given times its weight; may be overwritten
     * @param rows [S, D], what forward was given
     * @return the gradient of the rows, [S, D]
     */
    Tensor backward(
            Tensor dGiven, Weighing weighing, Tensor rows, Routing routing, @Nullable DropoutKeys dropout, Tape tape);

    /**
     * What each slot's result is multiplied by, and its gradient, which a backward writes.
     *
     * @param weights [S, 1], in fp32 at least
     * @param gradient [S, 1]
     */
    record Weighing(Tensor weights, Tensor gradient) {}
}

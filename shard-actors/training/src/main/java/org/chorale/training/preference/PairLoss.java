// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.preference;

import org.bytedeco.pytorch.Tensor;

/** A loss over P pairs of answers, the chosen and the rejected one, each to the same prompt. */
public interface PairLoss {
    /** Whether {@link #judge} reads the reference. */
    boolean comparesWithReference();

    /**
     * In the caller's scope.
     *
     * @param policy log-probabilities by the model that is trained, [P, 2]
     * @param reference likewise by the reference; zeros where it is not read
     * @param tokens of the answers, [P, 2]; a pair with an empty answer does not count
     * @param counted pairs that count
     */
    Judgement judge(Tensor policy, Tensor reference, Tensor tokens, long counted);
}

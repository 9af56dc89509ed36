// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.kernel.Curve;
import org.chorale.model.kernel.GluKernel;

/** What stands between the matrices of a feed-forward network, element by element. */
public enum Activation {
    /** x · sigmoid(x) */
    SILU(Curve.SILU),
    /** x · Φ(x), with the normal distribution's Φ. */
    GELU(Curve.GELU),
    /** Likewise, by an approximation with tanh. */
    GELU_TANH(Curve.GELU_TANH);

    private final Curve curve;

    Activation(Curve curve) {
        this.curve = curve;
    }

    Tensor of(Tensor x) {
        return curve.of(x);
    }

    Tensor backward(Tensor dy, Tensor x) {
        return curve.backward(dy, x);
    }

    /** of(gate) · up (Shazeer 2020, arXiv 2002.05202): [R, F] of both, parts of wider rows → [R, F] */
    Tensor gated(Tensor gate, Tensor up) {
        return GluKernel.of(curve, gate, up).forward(gate, up);
    }

    /**
     * The backward of {@link #gated(Tensor, Tensor)}. Overwrites gate and up with their gradients; what lies in the memory
     * of dInner after it means nothing, unless it is returned.
     *
     * @return of(gate) · up, once more
     */
    Tensor gatedBackward(Tensor dInner, Tensor gate, Tensor up) {
        return GluKernel.of(curve, gate, up).backward(dInner, gate, up);
    }

    /**
     * Likewise, where of(gate) · up is multiplied by the weight of its row. Overwrites gate and up with their gradients.
     *
     * @param dWeighted [R, F], the gradient of the products; overwritten
     * @param weights [R, 1], in fp32 at least
     * @param dWeights [R, 1], written
     * @return the products, once more
     */
    Tensor weightedBackward(Tensor dWeighted, Tensor gate, Tensor up, Tensor weights, Tensor dWeights) {
        return GluKernel.of(curve, gate, up).weightedBackward(dWeighted, gate, up, weights, dWeights);
    }
}

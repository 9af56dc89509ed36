// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;

/**
 * inner = curve(gate) · up (Shazeer 2020, arXiv 2002.05202), and its backward.
 *
 * <p>R rows, F inner width.
 */
public sealed interface GluKernel permits FusedGlu, AtenGlu {
    /** The fused one for fp32, bf16 or fp16 on a GPU whose rows lie side by side in themselves; else ATen's. */
    static GluKernel of(Curve curve, Tensor gate, Tensor up) {
        return FusedGlu.takes(gate, up) ? new FusedGlu(curve) : twin(curve);
    }

    /** The reference, which takes everything. */
    static GluKernel twin(Curve curve) {
        return new AtenGlu(curve);
    }

    /** [R, F] of both, which may be parts of wider rows → [R, F] */
    Tensor forward(Tensor gate, Tensor up);

    /**
     * Overwrites gate and up with their gradients; what lies in the memory of dInner after it means nothing, unless it is
     * returned.
     *
     * @return inner, [R, F], once more, which the gradient of the next weight needs
     */
    Tensor backward(Tensor dInner, Tensor gate, Tensor up);

    /**
     * The backward where each row of what the forward gave is multiplied by a weight afterwards. Overwrites gate and up with
     * their gradients.
     *
     * @param dWeighted [R, F], the gradient of the products; what lies there after it means nothing, unless it is returned
     * @param weights [R, 1], in fp32 at least
     * @param dWeights [R, 1], written
     * @return the products once more, [R, F]
     */
    Tensor weightedBackward(Tensor dWeighted, Tensor gate, Tensor up, Tensor weights, Tensor dWeights);
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * The low-rank part of one adapted linear.
 *
 * @param linear [O, I]
 * @param rank r
 * @param scale s, of B·A
 */
public record LoraModule(LinearOutline linear, int rank, double scale) {
    /** A, [r, I]. */
    public ParameterOutline down() {
        return ParameterOutline.of(linear.module() + ".lora_A.weight", rank, linear.inputs());
    }

    /** B, [O, r]. */
    public ParameterOutline up() {
        return ParameterOutline.of(linear.module() + ".lora_B.weight", linear.outputs(), rank);
    }

    /** A and B, in this order. */
    public List<ParameterOutline> parameters() {
        return List.of(down(), up());
    }

    /**
     * W + s·B·A, computed in fp32 at least and rounded once to the dtype of W; in the open scope.
     *
     * @param weight W, [O, I]
     */
    public Tensor merged(Tensor weight, Tensor down, Tensor up) {
        return plus(weight, down, up, scale);
    }

    /** W from what {@link #merged} gave; off by the rounding of both. */
    public Tensor unmerged(Tensor merged, Tensor down, Tensor up) {
        return plus(merged, down, up, -scale);
    }

    private static Tensor plus(Tensor weight, Tensor down, Tensor up, double scale) {
        ScalarType stored = weight.scalar_type().intern();
        ScalarType wide = stored == ScalarType.Double ? stored : ScalarType.Float;
        try (TensorScope scope = new TensorScope()) {
            Tensor product = up.to(wide).mm(down.to(wide));
            return scope.keep(weight.to(wide).add(product, Scalars.of(scale)).to(stored));
        }
    }
}

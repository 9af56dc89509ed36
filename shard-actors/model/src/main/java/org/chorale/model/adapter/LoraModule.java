// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.util.List;
import java.util.function.Function;
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
 * @param dora whether the lengths of the rows are trained apart
 */
public record LoraModule(LinearOutline linear, int rank, double scale, boolean dora) {
    /** What PEFT calls the module of the lengths; its file has no parameter's name after it. */
    static final String MAGNITUDE = ".lora_magnitude_vector";

    private static final long[] OF_ROWS = {1};

    /** A, [r, I]. */
    public ParameterOutline down() {
        return ParameterOutline.of(linear.module() + ".lora_A.weight", rank, linear.inputs());
    }

    /** B, [O, r]. */
    public ParameterOutline up() {
        return ParameterOutline.of(linear.module() + ".lora_B.weight", linear.outputs(), rank);
    }

    /** The lengths of the rows, [O]; there only with dora. */
    public ParameterOutline magnitude() {
        return ParameterOutline.of(linear.module() + MAGNITUDE + ".weight", linear.outputs());
    }

    /** Name of the adapted weight. */
    public String weight() {
        return linear.module() + ".weight";
    }

    /** A, B and what there is of lengths, in this order. */
    public List<ParameterOutline> parameters() {
        return dora ? List.of(down(), up(), magnitude()) : List.of(down(), up());
    }

    /**
     * W + s·B·A, with dora scaled to the trained lengths, computed in fp32 at least and rounded once to the dtype of W; in
     * the open scope.
     *
     * @param weight W, [O, I]
     * @param values of the adapter's own parameters
     */
    public Tensor merged(Tensor weight, Function<String, Tensor> values) {
        ScalarType stored = weight.scalar_type().intern();
        ScalarType wide = stored == ScalarType.Double ? stored : ScalarType.Float;
        try (TensorScope scope = new TensorScope()) {
            Tensor down = values.apply(down().name()).to(wide);
            Tensor up = values.apply(up().name()).to(wide);
            Tensor sum = weight.to(wide).add(up.mm(down), Scalars.of(scale));
            if (dora) {
                Tensor lengths = sum.square().sum(OF_ROWS).sqrt_();
                sum.mul_(values.apply(magnitude().name()).to(wide).div(lengths).unsqueeze(1));
            }
            return scope.keep(sum.to(stored));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * y = w · (x − mean(x)) / √(var(x) + ε) + b, over the last dimension (Ba et al. 2016, arXiv 1607.06450). Of each row it
 * finds mean and scale.
 *
 * <p>R rows, D model width.
 */
public final class LayerNorm implements Norm {
    private final Parameter weight; // [D]
    private final Parameter bias; // [D]
    private final double epsilon;

    public LayerNorm(Parameter weight, Parameter bias, double epsilon) {
        this.weight = weight;
        this.bias = bias;
        this.epsilon = epsilon;
    }

    @Override
    public boolean trainable() {
        return weight.trainable() || bias.trainable();
    }

    @Override
    public Normed normalise(Tensor x) {
        try (TensorScope scope = new TensorScope()) {
            T_TensorTensorTensor_T normed = torch.native_layer_norm(
                    exact(x),
                    new long[] {x.size(-1)},
                    new TensorOptional(exact(weight.value())),
                    new TensorOptional(exact(bias.value())),
                    epsilon);
            // What the triple hands out refers into it, and the scope frees it.
            Tensor rows = new Tensor(normed.get0());
            Tensor statistics = torch.cat(new TensorVector(new Tensor(normed.get1()), new Tensor(normed.get2())), 0);
            return new Normed(scope.keep(rows.to(x.scalar_type())), scope.keep(statistics));
        }
    }

    /** The CPU's kernel rounds mean and scale to the dtype that it is given; the GPU's does not. */
    private static Tensor exact(Tensor x) {
        return x.is_cuda() ? x : Wide.of(x);
    }

    /** dx = scale (w·dy − mean(w·dy) − x̂ mean(w·dy·x̂)), with x̂ the normalised row; all in fp32 at least. */
    @Override
    public Tensor backward(Tensor dy, Tensor x, Tensor statistics, @Nullable Tensor residual) {
        long rows = x.size(0);
        try (TensorScope scope = new TensorScope()) {
            T_TensorTensorTensor_T gradients = torch.native_layer_norm_backward(
                    Wide.of(dy),
                    Wide.of(x),
                    new long[] {x.size(-1)},
                    statistics.narrow(0, 0, rows),
                    statistics.narrow(0, rows, rows),
                    new TensorOptional(Wide.of(weight.value())),
                    new TensorOptional(Wide.of(bias.value())),
                    wanted(true, weight.trainable(), bias.trainable()));
            if (weight.trainable()) {
                weight.addGradient(new Tensor(gradients.get1()));
            }
            if (bias.trainable()) {
                bias.addGradient(new Tensor(gradients.get2()));
            }
            Tensor dx = new Tensor(gradients.get0());
            if (residual != null) {
                dx.add_(residual);
            }
            return scope.keep(dx.to(dy.scalar_type()));
        }
    }

    private static BoolPointer wanted(boolean... gradients) {
        BoolPointer wanted = new BoolPointer(gradients.length);
        for (int i = 0; i < gradients.length; i++) {
            wanted.put(i, gradients[i]);
        }
        return wanted;
    }
}

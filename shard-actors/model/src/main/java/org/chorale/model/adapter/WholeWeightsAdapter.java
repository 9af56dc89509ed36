// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.HostTensors;

/**
 * An adapter on the rests of weights, as one of twice the rank on the weights themselves. Of the first A₀ and B₀:
 *
 * <pre>
 * W − s·B₀·A₀ + s·B·A  =  W + s·[B −B₀]·[A; A₀]
 * </pre>
 *
 * <p>The lengths of DoRA's rows stay, since the sum does.
 *
 * @param values of the adapter as it was trained
 */
record WholeWeightsAdapter(
        LoraAdapter adapter, BaseValues base, PrincipalParts principal, Function<String, Tensor> values) {
    /** A parameter of the converted adapter, contiguous. */
    Tensor value(String parameter) {
        for (LoraModule module : adapter.modules()) {
            if (parameter.equals(module.down().name())) {
                return joined(values.apply(parameter), principal.of(module).down(), 0);
            } else if (parameter.equals(module.up().name())) {
                return joined(values.apply(parameter), principal.of(module).up().neg(), 1);
            }
        }
        return adapter.isKeptBase(parameter) ? ofBase(parameter) : values.apply(parameter);
    }

    private static Tensor joined(Tensor trained, Tensor first, long dimension) {
        TensorVector both = new TensorVector();
        both.push_back(trained);
        both.push_back(first.to(trained.scalar_type()));
        return torch.cat(both, dimension);
    }

    /** The base's weight under an adapted head, which is saved with it: the whole of it, not the rest. */
    private Tensor ofBase(String parameter) {
        Tensor rest = values.apply(parameter);
        Tensor whole = HostTensors.empty(rest.scalar_type().intern(), rest.numel());
        base.copyInto(parameter, 0, rest.numel(), whole);
        return whole.view(rest.shape());
    }
}

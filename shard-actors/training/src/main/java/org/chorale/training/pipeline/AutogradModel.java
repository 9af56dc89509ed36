// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.List;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;

/**
 * A model of the user's own, written in plain libtorch operators and differentiated by libtorch's autograd.
 *
 * <p>Its parameters belong to the shard. {@link #forward} gets them by name and must not keep them: between a forward and
 * its backward their memory may be used for others. So a forward runs without autograd first, and once more with it
 * before its backward; given the same inputs, context and parameters it must compute the same.
 */
public interface AutogradModel extends Component {
    /** Names, shapes and first values; the same whenever it is called. */
    List<LearnableParameter> parameters();

    /**
     * Computes the outputs of a micro-batch.
     *
     * @param inputs {@code batch} and whatever else the preprocessors gave
     * @param parameters by name
     */
    NamedTensors forward(NamedTensors inputs, Context context, Function<String, Tensor> parameters);

    /**
     * The tensor that autograd takes gradients with respect to, over the memory of {@code value}.
     *
     * @param value the parameter, without autograd
     */
    default Tensor leaf(LearnableParameter parameter, Tensor value) {
        Tensor leaf = value.detach();
        leaf.set_requires_grad(parameter.trainable());
        return leaf;
    }
}

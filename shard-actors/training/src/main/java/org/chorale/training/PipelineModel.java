// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;

/** A model as a pipeline sees it: named tensors in, named tensors out, and gradients back. */
public sealed interface PipelineModel permits DecoderPipelineModel, WrappedModel {
    /** Runs forward; the pass owns what its backward needs. */
    Pass forward(NamedTensors inputs, Context context);

    /** A forward of a rank that has no rows: it has no outputs, and takes part in what all ranks do together. */
    Pass forwardWithoutRows();

    /** A forward that may be followed by its backward. */
    interface Pass extends AutoCloseable {
        /** Without autograd; they belong to the scope that was open around the forward. */
        NamedTensors outputs();

        /**
         * Adds to the gradients of the parameters.
         *
         * @param gradients of some of the outputs, by name; where there are none, it takes part in what all ranks do
         */
        void backward(Map<String, Tensor> gradients);

        @Override
        void close();
    }
}

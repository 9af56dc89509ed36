// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.TensorScope;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.pipeline.UserCode;
import org.chorale.training.shard.ShardView;

/**
 * A user's model, differentiated by libtorch, over parameters that the shard owns.
 *
 * <p>The forward runs without autograd and keeps its inputs alone. The backward asks for the parameters again, by then
 * perhaps gathered into other memory, makes leaves of them, runs forward once more with autograd, and adds what comes
 * back to the gradients. So no graph ever holds a view of memory that has been released in between.
 */
public final class WrappedModel implements PipelineModel {
    private static final boolean ALLOW_UNUSED = true;
    private static final boolean CREATE_GRAPH = false;

    /**
     * Held while a model computes. Ranks may be threads of one process, in which libtorch has one random number generator,
     * and a module that they share has one set of parameters. No rank waits for another meanwhile.
     */
    private static final Lock PROCESS = new ReentrantLock();

    private final AutogradModel model;
    private final ShardView shard;
    private final List<String> units;

    /** @param shard asked for the parameters as they are then at every forward and backward */
    public WrappedModel(AutogradModel model, ShardView shard) {
        this.model = model;
        this.shard = shard;
        this.units =
                model.parameters().stream().map(AutogradSource::unit).distinct().toList();
    }

    @Override
    public Pass forward(NamedTensors inputs, Context context) {
        Context asSeen = context.copy();
        try {
            open(shard.units()::open);
            NamedTensors outputs = outputs(inputs, context);
            units.forEach(shard.units()::close);
            return new WrappedPass(inputs, asSeen, outputs);
        } catch (RuntimeException | Error e) {
            asSeen.close();
            throw e;
        }
    }

    private NamedTensors outputs(NamedTensors inputs, Context context) {
        PROCESS.lock();
        try (TensorScope scope = new TensorScope();
                AutoGradMode off = new AutoGradMode(false)) {
            NamedTensors outputs = NamedTensors.empty();
            Map<String, Tensor> leaves = leaves();
            NamedTensors given = compute(inputs, context, leaves);
            for (Map.Entry<String, Tensor> output : given.asMap().entrySet()) {
                outputs = outputs.with(output.getKey(), scope.keep(detached(output.getValue(), leaves)));
            }
            return outputs;
        } finally {
            PROCESS.unlock();
        }
    }

    /** Without autograd, and outside the parameters' memory, which others use before the outputs are read. */
    private static Tensor detached(Tensor output, Map<String, Tensor> leaves) {
        Tensor detached = output.detach();
        return leaves.values().stream().anyMatch(detached::is_alias_of) ? detached.clone() : detached;
    }

    @Override
    public Pass forwardWithoutRows() {
        open(shard.units()::open);
        units.forEach(shard.units()::close);
        return new Pass() {
            @Override
            public NamedTensors outputs() {
                return NamedTensors.empty();
            }

            @Override
            public void backward(Map<String, Tensor> gradients) {
                open(shard.units()::openForBackward);
                units.forEach(shard.units()::closeAfterBackward);
            }

            @Override
            public void close() {
                // holds nothing
            }
        };
    }

    /** All units, for nobody knows which parameters the model reads when. */
    private void open(Consumer<String> way) {
        for (int i = 0; i < units.size(); i++) {
            way.accept(units.get(i));
            if (i + 1 < units.size()) {
                shard.units().announce(units.get(i + 1));
            }
        }
    }

    /** Both times with the same random numbers, where the model draws any from libtorch's own generator. */
    private NamedTensors compute(NamedTensors inputs, Context context, Map<String, Tensor> leaves) {
        torch.manual_seed(context.random("model").number());
        return UserCode.call("Model " + model.name(), context, () -> model.forward(inputs, context, leaves::get));
    }

    /** By name; made anew over the memory that the parameters are in now. */
    private Map<String, Tensor> leaves() {
        Map<String, Tensor> leaves = new LinkedHashMap<>();
        for (LearnableParameter declared : model.parameters()) {
            leaves.put(
                    declared.name(),
                    model.leaf(declared, shard.parameter(declared.name()).value()));
        }
        return leaves;
    }

    private final class WrappedPass implements Pass {
        private final NamedTensors inputs;
        private final Context context;
        private final NamedTensors outputs;

        WrappedPass(NamedTensors inputs, Context context, NamedTensors outputs) {
            this.inputs = inputs;
            this.context = context;
            this.outputs = outputs;
        }

        @Override
        public NamedTensors outputs() {
            return outputs;
        }

        @Override
        public void backward(Map<String, Tensor> gradients) {
            open(shard.units()::openForBackward);
            if (!gradients.isEmpty()) {
                addGradients(gradients);
            }
            units.forEach(shard.units()::closeAfterBackward);
        }

        private void addGradients(Map<String, Tensor> gradients) {
            PROCESS.lock();
            try (TensorScope scope = new TensorScope();
                    AutoGradMode on = new AutoGradMode(true)) {
                Map<String, Tensor> leaves = leaves();
                NamedTensors again = compute(inputs, context, leaves);
                TensorVector ends = new TensorVector();
                TensorVector incoming = new TensorVector();
                gradients.forEach((name, gradient) -> {
                    Tensor end = again.get(name);
                    if (end.requires_grad()) {
                        ends.push_back(end);
                        incoming.push_back(gradient.to(end.scalar_type()));
                    }
                });
                if (ends.size() == 0) {
                    throw new PipelineException(
                            ("no gradient comes of %s of %s: somewhere between the parameters and it a detach(), or a value"
                                            + " that was read to the host, cuts what autograd follows")
                                    .formatted(gradients.keySet(), model.name()));
                }
                addGradients(leaves, ends, incoming);
            } finally {
                PROCESS.unlock();
            }
        }

        private void addGradients(Map<String, Tensor> leaves, TensorVector ends, TensorVector incoming) {
            List<Parameter> trained = new ArrayList<>();
            TensorVector starts = new TensorVector();
            leaves.forEach((name, leaf) -> {
                Parameter parameter = shard.parameter(name);
                if (parameter.trainable()) {
                    trained.add(parameter);
                    starts.push_back(leaf);
                }
            });
            if (trained.isEmpty()) {
                throw new PipelineException(model.name() + " has no parameter that is trained");
            }
            TensorVector results = torch.grad(ends, starts, incoming, new BoolOptional(), CREATE_GRAPH, ALLOW_UNUSED);
            for (int i = 0; i < trained.size(); i++) {
                Tensor gradient = results.get(i);
                if (gradient.defined()) { // not where this batch did not touch the parameter
                    trained.get(i).addGradient(gradient);
                }
            }
        }

        @Override
        public void close() {
            context.close();
        }
    }
}

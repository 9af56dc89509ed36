// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.shard.FlatGroup;

/**
 * What all optimizers share: state in flat tensors beside the weights, a count of the steps that were taken, and one
 * update per parameter group over views of the buffers, however many parameters there are.
 */
abstract class FlatOptimizer implements Optimizer {
    private final OptimizerConfig.Algorithm type;
    private final List<FlatGroup> groups;
    private final HeldTensors owner = new HeldTensors();
    private final Map<String, List<Tensor>> moments = new LinkedHashMap<>();
    private final Map<String, Tensor> counters = new LinkedHashMap<>();
    private final List<Part> parts = new ArrayList<>();

    /**
     * What is trained with the same hyperparameters, as kernels take it: lists of flat tensors of equal length, each
     * [elements of a run]. Values are empty where the weights are read themselves. Gradients are not among them: they may
     * lie elsewhere in each step.
     */
    record Part(
            Hyperparameters hyperparameters,
            List<ParameterRun> runs,
            List<Tensor> weights,
            Map<String, List<Tensor>> moments,
            List<Optional<Tensor>> values) {
        List<Tensor> moment(String kind) {
            return moments.getOrDefault(kind, List.of());
        }
    }

    /** @param kinds of state that the update keeps for every weight; all begin with zero */
    FlatOptimizer(OptimizerConfig config, List<FlatGroup> groups, List<String> kinds) {
        this.type = config.type();
        this.groups = List.copyOf(groups);
        try (TensorScope scope = new TensorScope()) {
            for (String kind : kinds) {
                moments.put(
                        kind,
                        groups.stream()
                                .map(group -> owner.hold(torch.zeros_like(group.master())))
                                .toList());
            }
            ParameterRun.cut(config, groups.stream().map(FlatGroup::layout).toList())
                    .forEach((hyperparameters, runs) -> parts.add(part(hyperparameters, runs)));
        } catch (RuntimeException e) { // no memory, or a group without parameters: what was had is given back
            owner.close();
            throw e;
        }
    }

    private Part part(Hyperparameters hyperparameters, List<ParameterRun> runs) {
        Map<String, List<Tensor>> state = new LinkedHashMap<>();
        moments.forEach((kind, buffers) -> state.put(kind, views(runs, buffers)));
        return new Part(
                hyperparameters,
                runs,
                views(runs, groups.stream().map(FlatGroup::master).toList()),
                state,
                runs.stream().map(this::values).toList());
    }

    private Optional<Tensor> values(ParameterRun run) {
        FlatGroup group = groups.get(run.buffer());
        return group.layout().precision().ownMaster()
                ? Optional.empty()
                : group.values().map(values -> owner.hold(run.in(values)));
    }

    private List<Tensor> views(List<ParameterRun> runs, List<Tensor> buffers) {
        return runs.stream().map(run -> owner.hold(run.of(buffers))).toList();
    }

    /** What is moved, each part with hyperparameters of its own. */
    final List<Part> parts() {
        return Collections.unmodifiableList(parts);
    }

    /** A number of the state, [1] fp32 where the weights are, zero at first. */
    final Tensor counter(String name) {
        try (TensorScope scope = new TensorScope()) {
            Device device =
                    groups.isEmpty() ? Device.CPU : Device.of(groups.get(0).master());
            Tensor counter = owner.hold(device.zeros(ScalarType.Float, 1));
            counters.put(name, counter);
            return counter;
        }
    }

    @Override
    public final void step(double learningRate, Tensor divisor, Tensor notFinite) {
        try (TensorScope scope = new TensorScope()) {
            Tensor counts = torch.rsub(notFinite, Scalars.of(1)); // [1], 1 where the step happens
            counters.values().forEach(counter -> counter.add_(counts));
            List<Tensor> buffers = groups.stream().map(FlatGroup::gradients).toList();
            for (Part part : parts) {
                double rate = learningRate * part.hyperparameters().learningRateFactor();
                List<Tensor> gradients =
                        part.runs().stream().map(run -> run.of(buffers)).toList();
                update(part, gradients, rate, divisor, notFinite);
            }
            groups.forEach(refreshesValues() ? FlatGroup::refreshed : FlatGroup::refresh);
        }
    }

    /** Whether {@link #update} rounds the moved weights into the values, too. */
    boolean refreshesValues() {
        return false;
    }

    /**
     * Moves weights and state inside an open scope; touches neither where {@code notFinite} is 1.
     *
     * @param gradients of the part's runs, in this step
     */
    abstract void update(Part part, List<Tensor> gradients, double learningRate, Tensor divisor, Tensor notFinite);

    @Override
    public final OptimizerConfig.Algorithm type() {
        return type;
    }

    @Override
    public final Map<String, List<Tensor>> moments() {
        return Collections.unmodifiableMap(moments);
    }

    @Override
    public final Map<String, Tensor> counters() {
        return Collections.unmodifiableMap(counters);
    }

    @Override
    public void close() {
        owner.close();
    }
}

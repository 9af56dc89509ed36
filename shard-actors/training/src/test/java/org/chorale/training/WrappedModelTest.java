// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.Function;
import org.bytedeco.pytorch.DropoutImpl;
import org.bytedeco.pytorch.EmbeddingImpl;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.ModuleModel;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.Stages;
import org.chorale.training.shard.ShardView;
import org.junit.jupiter.api.Test;

/** A user's own model trains as it would in plain libtorch, whatever happens to its parameters' memory in between. */
final class WrappedModelTest {
    private static final int STEPS = 20;
    private static final double LEARNING_RATE = 0.3;

    @Test
    void itTrainsAsPlainAutogradDoesThoughReleasedBuffersHoldNaN() {
        try (TensorScope scope = new TensorScope()) {
            ToyModel model = new ToyModel();
            Map<String, Parameter> masters = ToyModel.inDoubles(model.parameters(), "");
            trainsLikePlain(model, masters);
        }
    }

    @Test
    void aModuleOfLibtorchTrainsOverTheShardsMemory() {
        try (TensorScope scope = new TensorScope()) {
            torch.manual_seed(7);
            Module module = new Module();
            EmbeddingImpl embedding = module.register_module("embedding", new EmbeddingImpl(ToyModel.VOCABULARY, 5));
            LinearImpl encoder = module.register_module("encoder", new LinearImpl(5, 7));
            LinearImpl decoder = module.register_module("decoder", new LinearImpl(7, ToyModel.VOCABULARY));
            module.to(ScalarType.Double, false);
            AutogradModel model = new ModuleModel(
                    "Toy",
                    module,
                    (inputs, context) -> NamedTensors.of(
                            "logits",
                            decoder.forward(encoder.forward(embedding.forward(inputs.get("batch")))
                                    .tanh())));
            Map<String, Parameter> masters = ToyModel.inDoubles(model.parameters(), "");
            assertThat(masters)
                    .containsOnlyKeys(
                            "embedding.weight", "encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias");
            trainsLikePlain(model, masters);
        }
    }

    @Test
    void aModulesOwnDropoutDropsTheSameInBothForwardsAndNothingInAnEvaluation() {
        try (TensorScope scope = new TensorScope()) {
            Module module = new Module();
            LinearImpl linear = module.register_module("linear", new LinearImpl(1, 1));
            DropoutImpl dropout = module.register_module("dropout", new DropoutImpl(0.5));
            module.to(ScalarType.Double, false);
            List<Double> seen = new ArrayList<>();
            AutogradModel model = new ModuleModel("Dropping", module, (inputs, context) -> {
                Tensor ones = torch.ones_like(inputs.get("batch"))
                        .to(ScalarType.Double)
                        .unsqueeze(-1);
                Tensor dropped = dropout.forward(ones);
                seen.add(dropped.sum().item_double());
                return NamedTensors.of("logits", linear.forward(dropped));
            });
            Map<String, Parameter> masters = ToyModel.inDoubles(model.parameters(), "");
            LossCalculator sum = (outputs, context) ->
                    LossOutput.of("sum", outputs.get("logits").sum(), 1);
            Stages stages = new Stages(List.of(), "Dropping", "", List.of(), sum, ContractMode.OFF);
            PipelineObjective objective = new PipelineObjective(
                    new WrappedModel(model, ShardView.of(masters::get)), stages, ShardView.of(masters::get), 1);
            try (StepSums sums = new StepSums()) {
                objective.addGradients(1, List.of(batch()), null, sums);
                objective.addGradients(2, List.of(batch()), null, sums);
                objective.evaluate(batch(), sums);
            }
            double all = 4 * 6;
            assertThat(seen).hasSize(5);
            assertThat(seen.get(1)).isEqualTo(seen.get(0)).isNotEqualTo(all);
            assertThat(seen.get(3)).isEqualTo(seen.get(2));
            assertThat(seen.get(4)).isEqualTo(all);
            assertThat(read(gradient(masters, "linear.weight")))
                    .containsExactly(new double[] {seen.get(0) + seen.get(2)}, within(1e-9));
        }
    }

    @Test
    void aModulesFirstValuesAreItsOwn() {
        try (TensorScope scope = new TensorScope()) {
            LinearImpl linear = new LinearImpl(3, 2);
            double[] before = read(linear.weight());
            AutogradModel model = new ModuleModel("Linear", linear, (inputs, context) -> inputs);
            Tensor target = torch.zeros(2, 3);
            model.parameters().get(0).draw(1, target);
            assertThat(read(target)).isEqualTo(before);
        }
    }

    @Test
    void aFrozenParameterGetsNoGradientAndTheOthersDo() {
        try (TensorScope scope = new TensorScope()) {
            ToyModel model = new ToyModel();
            Map<String, Parameter> parameters = ToyModel.inDoubles(model.parameters(), "");
            Parameter trained = parameters.get("embedding");
            parameters.put(
                    "embedding",
                    new Parameter("embedding", Objects.requireNonNull(trained).value(), null));
            try (StepSums sums = new StepSums()) {
                objective(model, parameters::get).addGradients(1, List.of(batch()), null, sums);
            }
            assertThat(Arrays.stream(read(gradient(parameters, "decoder")))).anyMatch(x -> x != 0);
        }
    }

    private static void trainsLikePlain(AutogradModel model, Map<String, Parameter> masters) {
        try (PooledBuffers buffers = new PooledBuffers(masters)) {
            trainsLikePlain(model, masters, buffers);
        }
    }

    private static void trainsLikePlain(AutogradModel model, Map<String, Parameter> masters, PooledBuffers buffers) {
        PipelineObjective objective = objective(buffers.watching(model), buffers::gathered);
        Map<String, Tensor> leaves = new LinkedHashMap<>();
        masters.forEach((name, parameter) -> {
            Tensor leaf = parameter.value().clone();
            leaf.set_requires_grad(true);
            leaves.put(name, leaf);
        });
        double first = 0;
        double last = 0;
        for (int step = 1; step <= STEPS; step++) {
            masters.values()
                    .forEach(parameter ->
                            Objects.requireNonNull(parameter.gradient()).zero_());
            double divisor;
            try (StepSums sums = new StepSums()) {
                objective.addGradients(step, List.of(batch()), null, sums);
                last = sums.totals().loss();
                divisor = sums.isDividedLast() ? sums.totals().firstWeight() : 1;
            }
            buffers.release();
            first = step == 1 ? last : first;
            assertThat(last).as("loss of step " + step).isCloseTo(plainStep(model, leaves), within(1e-10));
            masters.values()
                    .forEach(parameter -> parameter
                            .value()
                            .sub_(Objects.requireNonNull(parameter.gradient())
                                    .mul(new Scalar(LEARNING_RATE / divisor))));
        }
        assertThat(last).isLessThan(0.9 * first);
        assertThat(buffers.overwritten).isEqualTo(2 * STEPS * masters.size());
        leaves.forEach((name, leaf) -> assertThat(Objects.requireNonNull(masters.get(name))
                        .value()
                        .sub(leaf.detach())
                        .abs()
                        .max()
                        .item_double())
                .as(name)
                .isLessThan(1e-10));
    }

    /** Autograd from end to end, and the same plain gradient descent. */
    private static double plainStep(AutogradModel model, Map<String, Tensor> leaves) {
        Context.Place place = new Context.Place(0, 1, batch().samples(), new org.bytedeco.pytorch.Device("cpu"));
        try (Context context = new Context(place, name -> torch.zeros(1))) {
            PipelineBatch.fill(context, batch(), Device.CPU);
            Map<String, Tensor> used = new LinkedHashMap<>();
            TensorVector starts = new TensorVector();
            model.parameters().forEach(parameter -> {
                Tensor leaf = model.leaf(
                        parameter,
                        Objects.requireNonNull(leaves.get(parameter.name())).detach());
                used.put(parameter.name(), leaf);
                starts.push_back(leaf);
            });
            NamedTensors outputs = model.forward(PipelineBatch.tensors(batch(), Device.CPU), context, used::get);
            Tensor logits = outputs.get("logits").reshape(-1, ToyModel.VOCABULARY);
            Tensor loss = torch.cross_entropy(logits, context.tensor("target").reshape(-1));
            TensorVector ends = new TensorVector();
            ends.push_back(loss);
            TensorVector gradients = torch.grad(ends, starts);
            int i = 0;
            for (Tensor leaf : leaves.values()) {
                Tensor flat = leaf.detach();
                flat.sub_(gradients.get(i++).mul(new Scalar(LEARNING_RATE)));
            }
            return loss.item_double();
        }
    }

    private static PipelineObjective objective(AutogradModel model, Function<String, Parameter> parameters) {
        Stages stages = new Stages(List.of(), "Toy", "", List.of(), new CrossEntropyLoss(), ContractMode.CHECK);
        ShardView shard = ShardView.of(parameters);
        return new PipelineObjective(new WrappedModel(model, shard), stages, shard, 1);
    }

    private static Tensor gradient(Map<String, Parameter> parameters, String name) {
        return Objects.requireNonNull(
                Objects.requireNonNull(parameters.get(name)).gradient());
    }

    private static MicroBatch batch() {
        long[] tokens = new Random(2).longs(4 * 6, 0, ToyModel.VOCABULARY).toArray();
        return MicroBatch.rightPadded(4, 6, tokens, tokens.clone());
    }

    private static double[] read(Tensor tensor) {
        double[] values = new double[(int) tensor.numel()];
        Tensor flat = tensor.detach().contiguous().view(-1);
        for (int i = 0; i < values.length; i++) {
            values[i] = flat.select(0, i).item_double();
        }
        return values;
    }

    /**
     * Holds full parameters only while a forward or backward needs them: whatever was gathered before is filled with NaN
     * when it is gathered anew, so that a graph that still reads it is found out.
     */
    private static final class PooledBuffers implements AutoCloseable {
        private final Map<String, Parameter> masters;
        private final Map<String, Tensor> gathered = new LinkedHashMap<>();
        private final HeldTensors pool = new HeldTensors();
        private int overwritten;

        PooledBuffers(Map<String, Parameter> masters) {
            this.masters = masters;
        }

        Parameter gathered(String name) {
            Parameter master = Objects.requireNonNull(masters.get(name));
            Tensor copy =
                    gathered.computeIfAbsent(name, n -> pool.hold(master.value().clone()));
            return new Parameter(name, copy, master.gradient());
        }

        void release() {
            gathered.values().forEach(copy -> copy.fill_(new Scalar(Double.NaN)));
            overwritten += gathered.size();
            gathered.clear();
        }

        @Override
        public void close() {
            pool.close();
        }

        /** Releases, with NaN, whenever the model has run. */
        AutogradModel watching(AutogradModel model) {
            return new AutogradModel() {
                @Override
                public List<LearnableParameter> parameters() {
                    return model.parameters();
                }

                @Override
                public Tensor leaf(LearnableParameter parameter, Tensor value) {
                    return model.leaf(parameter, value);
                }

                @Override
                public NamedTensors forward(NamedTensors inputs, Context context, Function<String, Tensor> parameters) {
                    NamedTensors outputs = model.forward(inputs, context, parameters);
                    if (!outputs.get("logits").requires_grad()) {
                        release();
                    }
                    return outputs;
                }
            };
        }
    }
}

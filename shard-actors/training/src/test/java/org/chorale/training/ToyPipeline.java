// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.L1Loss;
import org.chorale.training.loss.MseLoss;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.PostProcessor;
import org.chorale.training.pipeline.PreProcessor;
import org.chorale.training.pipeline.Stages;
import org.chorale.training.shard.ShardView;
import org.jspecify.annotations.Nullable;

/** A model in fp64 and its pipeline, which belong to the innermost open scope, and batches for them. */
final class ToyPipeline {
    /** Hides three tokens of ten, and masks nothing at all in the sequence of sample 2. */
    static final PreProcessor MASKER = (batch, context) -> {
        Tensor tokens = batch.get("batch");
        Tensor mask =
                context.random("mask").uniform(tokens.size(0), tokens.size(1)).lt(new Scalar(0.4));
        Tensor counts = context.tensor("original_batch").narrow(1, 0, 1).ne(new Scalar(0)); // [B, 1]
        Tensor hidden = mask.logical_and(counts);
        context.put("mask", hidden.to(ScalarType.Double));
        return batch.with("batch", tokens.masked_fill(hidden, new Scalar(0)));
    };

    static final PostProcessor TARGETS = (outputs, context) -> {
        context.put(
                "number", context.tensor("original_batch").to(ScalarType.Double).mul(Scalars.of(0.3)));
        context.put("hidden_target", torch.ones_like(outputs.get("hidden").detach()));
        return outputs;
    };

    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private final PipelineObjective objective;
    private boolean isEmpty;

    /** What a step gives. */
    record Run(double loss, Map<String, double[]> gradients, Map<String, Double> metrics) {}

    ToyPipeline(LossCalculator loss) {
        this(stages(List.of(MASKER), loss, ContractMode.CHECK));
    }

    ToyPipeline(Stages stages) {
        ToyModel model = new ToyModel();
        parameters.putAll(ToyModel.inDoubles(model.parameters(), ""));
        parameters.putAll(ToyModel.inDoubles(stages.loss().parameters(), "loss."));
        ShardView shard = ShardView.of(this::parameter);
        objective = new PipelineObjective(new WrappedModel(model, shard), stages, shard, 9);
    }

    Parameter parameter(String name) {
        return Optional.ofNullable(parameters.get(name)).orElseThrow(() -> new AssertionError(name));
    }

    Tensor value(String name) {
        return parameter(name).value();
    }

    Map<String, double[]> gradients() {
        Map<String, double[]> gradients = new LinkedHashMap<>();
        parameters.forEach(
                (name, parameter) -> gradients.put(name, read(Objects.requireNonNull(parameter.gradient()))));
        return gradients;
    }

    Run run(List<MicroBatch> microBatches) {
        return run(microBatches, null);
    }

    Run run(List<MicroBatch> microBatches, @Nullable Tensor upstream) {
        try (TensorScope scope = new TensorScope();
                StepSums step = new StepSums()) {
            objective.addGradients(1, microBatches, upstream, step);
            StepTotals totals = step.totals();
            isEmpty = totals.isEmpty();
            double divisor = step.isDividedLast() ? totals.firstWeight() : 1;
            Map<String, double[]> gradients = gradients();
            gradients.values().forEach(gradient -> Arrays.setAll(gradient, i -> gradient[i] / divisor));
            return new Run(totals.loss(), gradients, totals.means());
        }
    }

    /** Whether nothing was trained in the last step. */
    boolean isEmpty() {
        return isEmpty;
    }

    static Run run(LossCalculator loss, List<MicroBatch> microBatches) {
        try (TensorScope scope = new TensorScope()) {
            return new ToyPipeline(loss).run(microBatches);
        }
    }

    static CompositeLoss composite() {
        return CompositeLoss.of(
                new CrossEntropyLoss().masked("mask"),
                1,
                new MseLoss("prediction", "number"),
                0.1,
                new L1Loss("hidden", "hidden_target"),
                -0.2);
    }

    static Stages stages(List<PreProcessor> preprocessors, LossCalculator loss, ContractMode contracts) {
        return new Stages(preprocessors, "ToyModel", new ToyModel().contract(), List.of(TARGETS), loss, contracts);
    }

    /** Sequences of one batch of six, with their samples; the one of sample 2 masks nothing. */
    static MicroBatch batch(int from, int until) {
        int width = 5;
        Random random = new Random(1);
        long[] tokens = random.longs(6L * width, 1, ToyModel.VOCABULARY).toArray();
        tokens[2 * width] = 0;
        long[] part = Arrays.copyOfRange(tokens, from * width, until * width);
        long[] labels = part.clone();
        labels[1] = MicroBatch.IGNORED;
        if (from > 0) {
            labels[1] = part[1]; // ignored in the first sequence alone, however the batch is cut
        }
        return MicroBatch.rightPadded(until - from, width, part, labels)
                .withSamples(LongStream.range(from, until).toArray());
    }

    private static double[] read(Tensor tensor) {
        double[] values = new double[(int) tensor.numel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = tensor.contiguous().view(-1).select(0, i).item_double();
        }
        return values;
    }
}

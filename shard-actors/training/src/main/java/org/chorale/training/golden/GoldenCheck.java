// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.golden;

import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.InvalidFileException;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.training.MicroBatch;
import org.chorale.training.StepResult;
import org.chorale.training.TrainStep;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;

/**
 * Recomputes, in fp32, what a golden file says the reference implementation computed, and compares.
 *
 * <p>A golden file holds a batch ({@code input_ids}, {@code attention_mask}, {@code labels}, all [B, T]) and any of:
 * {@code logits} [B, T, V]; {@code loss}; {@code grad.NAME}; {@code train.losses} and {@code train.grad_norms} of n
 * steps on that batch (clipped to 1, AdamW with learning rate 1e-3, betas 0.9 and 0.999, ε 1e-8, decay 0.01 on
 * everything); {@code train.final.NAME} after them.
 */
public final class GoldenCheck {
    private static final double LEARNING_RATE = 1e-3;
    private static final OptimizerConfig OPTIMIZER = OptimizerConfig.adamW(LEARNING_RATE, 0.01, 1.0);

    private final ModelFolder folder;
    private final SafetensorsFile golden;
    private final MicroBatch batch;
    private final List<Row> rows = new ArrayList<>();

    private GoldenCheck(ModelFolder folder, SafetensorsFile golden) {
        this.folder = folder;
        this.golden = golden;
        TensorEntry ids = checkInputs();
        this.batch = new MicroBatch(
                ids.shape().get(0).intValue(),
                ids.shape().get(1).intValue(),
                longs("input_ids"),
                longs("labels"),
                longs("attention_mask"),
                null);
    }

    /** @return the entry of {@code input_ids}, with which the other inputs agree */
    private TensorEntry checkInputs() {
        TensorEntry ids = golden.entry("input_ids");
        if (ids.shape().size() != 2 || ids.elements() == 0) {
            throw invalid("input_ids", "has shape " + ids.shape() + ", must be [sequences, tokens]");
        }
        for (String name : List.of("labels", "attention_mask")) {
            requireShape(name, ids.shape());
        }
        requireBelowVocabulary("input_ids", 0);
        requireBelowVocabulary("labels", MicroBatch.IGNORED);
        return ids;
    }

    private void requireShape(String name, List<Long> shape) {
        if (!golden.entry(name).shape().equals(shape)) {
            throw invalid(
                    name,
                    "has shape %s, must be %s".formatted(golden.entry(name).shape(), shape));
        }
    }

    private void requireBelowVocabulary(String name, long alsoAllowed) {
        long vocabulary = folder.config().vocabulary();
        for (long id : longs(name)) {
            if ((id < 0 || id >= vocabulary) && id != alsoAllowed) {
                throw invalid(name, "holds %d; ids of this model are below %d".formatted(id, vocabulary));
            }
        }
    }

    private InvalidFileException invalid(String tensor, String problem) {
        return new InvalidFileException(golden.header().file(), tensor, problem);
    }

    /**
     * One comparison.
     *
     * @param quantity the golden file's name of it
     * @param largestDifference over all elements; of gradients relative to the tensor's largest magnitude, of gradient
     *     norms relative to each
     * @param note what else there is to say; empty mostly
     */
    public record Row(String quantity, double largestDifference, double tolerance, boolean passed, String note) {}

    /**
     * Checks everything that the file holds, in the file's order of names.
     *
     * @throws RuntimeException where the folder or the file cannot be used
     */
    public static List<Row> run(Path modelFolder, Path goldenFile) {
        try (SafetensorsFile golden = SafetensorsFile.open(goldenFile);
                ModelFolder folder = ModelFolder.pretrained(modelFolder);
                TensorScope scope = new TensorScope()) {
            GoldenCheck check = new GoldenCheck(folder, golden);
            check.logits();
            check.lossAndGradients();
            check.training();
            check.unknownQuantities();
            return check.rows;
        }
    }

    private void logits() {
        if (!has("logits")) {
            return;
        }
        try (TensorScope scope = new TensorScope();
                ModelShard shard = ModelShard.whole(folder);
                Tape tape = new Tape()) {
            Tensor mask = HostTensors.ofLongs(longs("attention_mask"), batch.sequences(), batch.width());
            SequenceContext context = shard.model().context(batch.sequences(), batch.width(), mask);
            Tensor hidden =
                    shard.model().forward(HostTensors.ofLongs(batch.tokens(), batch.tokens().length), context, tape);
            Tensor logits = shard.model().logits(hidden);
            requireShape("logits", List.of((long) batch.sequences(), (long) batch.width(), logits.size(1)));
            Tensor expected = golden.tensor("logits").view(logits.shape());
            long[] rowsThatSee = rowsThatSeeAKey();
            Tensor seen = HostTensors.ofLongs(rowsThatSee, rowsThatSee.length);
            compare("logits", logits.index_select(0, seen), expected.index_select(0, seen), 1e-5);
        }
    }

    /** Where no key is visible, implementations differ by design, and nobody reads the result. */
    private long[] rowsThatSeeAKey() {
        long[] mask = longs("attention_mask");
        return LongStream.range(0, mask.length)
                .filter(row ->
                        LongStream.rangeClosed(row - row % batch.width(), row).anyMatch(key -> mask[(int) key] != 0))
                .toArray();
    }

    private void lossAndGradients() {
        try (TensorScope scope = new TensorScope();
                ModelShard shard = ModelShard.whole(folder);
                AdamW optimizer = new AdamW(OPTIMIZER, shard.groups())) {
            // A learning rate of 0 leaves the weights, and an infinite clip norm the gradients, as they are.
            StepResult result = new TrainStep(shard, optimizer, Double.POSITIVE_INFINITY).run(List.of(batch), 0);
            if (has("loss")) {
                row("loss", Math.abs(result.lossNats() - golden.tensor("loss").item_float()), 1e-5);
            }
            shard.parameters().forEach((name, parameter) -> {
                if (has("grad." + name)) {
                    requireShape("grad." + name, shape(parameter.value()));
                    Tensor expected = golden.tensor("grad." + name);
                    double magnitude = expected.abs().max().item_float();
                    double difference = largestDifference(Objects.requireNonNull(parameter.gradient()), expected);
                    row("grad." + name, magnitude == 0 ? difference : difference / magnitude, 2e-5);
                }
            });
        }
    }

    private void training() {
        if (!has("train.losses")) {
            return;
        }
        try (TensorScope scope = new TensorScope();
                ModelShard shard = ModelShard.whole(folder);
                AdamW optimizer = new AdamW(OPTIMIZER, shard.groups())) {
            TrainStep step = new TrainStep(shard, optimizer, OPTIMIZER.clipNorm());
            Tensor losses = golden.tensor("train.losses");
            if (has("train.grad_norms")) {
                requireShape("train.grad_norms", golden.entry("train.losses").shape());
            }
            double lossDifference = 0;
            double normDifference = 0;
            for (long i = 0; i < losses.numel(); i++) {
                StepResult result = step.run(List.of(batch), LEARNING_RATE);
                lossDifference = largest(
                        lossDifference, result.lossNats() - losses.select(0, i).item_float());
                if (has("train.grad_norms")) {
                    double norm = golden.tensor("train.grad_norms").select(0, i).item_float();
                    normDifference = largest(normDifference, (result.gradNorm() - norm) / norm);
                }
            }
            row("train.losses", lossDifference, 1e-5);
            if (has("train.grad_norms")) {
                row("train.grad_norms", normDifference, 2e-5);
            }
            shard.parameters().forEach((name, parameter) -> {
                if (has("train.final." + name)) {
                    requireShape("train.final." + name, shape(parameter.value()));
                    compare("train.final." + name, parameter.value(), golden.tensor("train.final." + name), 1e-5);
                }
            });
        }
    }

    private void unknownQuantities() {
        List<String> known = new ArrayList<>(List.of("input_ids", "attention_mask", "labels"));
        rows.forEach(row -> known.add(row.quantity()));
        golden.entries().stream()
                .map(TensorEntry::name)
                .filter(name -> !known.contains(name))
                .forEach(name -> rows.add(new Row(
                        name, Double.NaN, 0, false, "nothing here computes this; adapters are not supported yet")));
    }

    private static List<Long> shape(Tensor tensor) {
        return LongStream.of(tensor.shape()).boxed().toList();
    }

    private void compare(String quantity, Tensor actual, Tensor expected, double tolerance) {
        row(quantity, largestDifference(actual, expected), tolerance);
    }

    private void row(String quantity, double difference, double tolerance) {
        rows.add(new Row(quantity, difference, tolerance, difference <= tolerance, "")); // NaN fails
    }

    private static double largestDifference(Tensor actual, Tensor expected) {
        try (TensorScope scope = new TensorScope()) {
            return torch.max(actual.sub(expected).abs()).item_float(); // max propagates NaN
        }
    }

    private static double largest(double soFar, double difference) {
        return Double.isNaN(difference) ? Double.NaN : Math.max(soFar, Math.abs(difference));
    }

    private boolean has(String name) {
        return golden.entries().stream().anyMatch(entry -> entry.name().equals(name));
    }

    private long[] longs(String name) {
        try (TensorScope scope = new TensorScope()) {
            Tensor tensor = golden.tensor(name).to(ScalarType.Long).contiguous();
            long[] values = new long[(int) tensor.numel()];
            tensor.<LongBuffer>createBuffer().get(values);
            return values;
        }
    }
}

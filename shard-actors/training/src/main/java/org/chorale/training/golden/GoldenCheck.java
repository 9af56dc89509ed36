// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.golden;

import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.training.MicroBatch;
import org.chorale.training.StepResult;
import org.chorale.training.TrainStep;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;

/**
 * Recomputes what a golden file says the reference implementation computed in fp32, and compares: in fp32 within
 * tolerances, in another format to measure its error.
 *
 * <p>A golden file holds a batch ({@code input_ids}, {@code attention_mask}, {@code labels}, all [B, T]) and any of:
 * {@code logits} [B, T, V]; {@code loss}; {@code grad.NAME}; {@code train.losses} and {@code train.grad_norms} of n
 * steps on that batch (clipped to 1, AdamW with betas 0.9 and 0.999, ε 1e-8, decay 0.01 on everything, learning rate
 * 1e-3 or, of an adapter, 1e-2); {@code train.final.NAME} after them. Of an adapter it may hold what {@link
 * TrainedAdapter} compares, and names are PEFT's.
 */
public final class GoldenCheck {
    private static final OptimizerConfig OPTIMIZER = OptimizerConfig.adamW(1e-3, 0.01, 1.0);
    private static final OptimizerConfig ADAPTER_OPTIMIZER = OptimizerConfig.adamW(1e-2, 0.01, 1.0);

    private final ModelFolder folder;
    private final OptimizerConfig optimizerConfig;
    private final SafetensorsFile golden;
    private final Precision precision;
    private final Device device;
    private final MicroBatch batch;
    private final Comparison comparison;

    private GoldenCheck(ModelFolder folder, SafetensorsFile golden, Precision precision, Device device) {
        this.folder = folder;
        this.precision = precision;
        this.device = device;
        this.optimizerConfig = folder.adapter().isPresent() ? ADAPTER_OPTIMIZER : OPTIMIZER;
        this.golden = golden;
        boolean sparse = folder.config().mixtures().findAny().isPresent();
        this.comparison = new Comparison(golden, precision, device, sparse);
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
            throw comparison.invalid("input_ids", "has shape " + ids.shape() + ", must be [sequences, tokens]");
        }
        for (String name : List.of("labels", "attention_mask")) {
            comparison.requireShape(name, ids.shape());
        }
        requireBelowVocabulary("input_ids", 0);
        requireBelowVocabulary("labels", MicroBatch.IGNORED);
        return ids;
    }

    private void requireBelowVocabulary(String name, long alsoAllowed) {
        long vocabulary = folder.config().vocabulary();
        for (long id : longs(name)) {
            if ((id < 0 || id >= vocabulary) && id != alsoAllowed) {
                throw comparison.invalid(name, "holds %d; ids of this model are below %d".formatted(id, vocabulary));
            }
        }
    }

    /**
     * One comparison.
     *
     * @param quantity the golden file's name of it
     * @param largestDifference over all elements; of gradients relative to the tensor's largest magnitude, of gradient
     *     norms relative to each
     * @param relativeError L2 norm of all differences relative to that of the expected values
     * @param tolerance of the largest difference; infinite where the error is only measured
     * @param note what else there is to say; empty mostly
     */
    public record Row(
            String quantity,
            double largestDifference,
            double relativeError,
            double tolerance,
            boolean passed,
            String note) {}

    /**
     * Checks everything that the file holds; in another format than fp32 not the files that training has left.
     *
     * @param adapter a PEFT folder, where the golden file is of a model with one
     * @param precision fp32, or a format that trains without a loss scale
     * @param device that computes
     * @throws RuntimeException where the folder or the file cannot be used
     */
    public static List<Row> run(
            Path modelFolder, Optional<Path> adapter, Path goldenFile, Precision precision, Device device) {
        if (precision == Precision.FP16) {
            throw new IllegalArgumentException("fp16 trains with a loss scale, which a golden file knows nothing of");
        }
        try (SafetensorsFile golden = SafetensorsFile.open(goldenFile);
                ModelFolder folder = open(modelFolder, adapter);
                TensorScope scope = new TensorScope()) {
            GoldenCheck check = new GoldenCheck(folder, golden, precision, device);
            check.logits();
            check.lossAndGradients();
            check.training();
            check.unknownQuantities();
            return check.comparison.rows();
        }
    }

    private static ModelFolder open(Path modelFolder, Optional<Path> adapter) {
        ModelFolder base = ModelFolder.pretrained(modelFolder);
        return adapter.isPresent() ? base.adapted(adapter.get()) : base;
    }

    private void logits() {
        if (!comparison.has("logits")) {
            return;
        }
        try (TensorScope scope = new TensorScope();
                ModelShard shard = ModelShard.frozen(folder, precision, device);
                Tape tape = new Tape()) {
            Tensor mask = device.ofLongs(longs("attention_mask"), batch.sequences(), batch.width());
            SequenceContext context = shard.model().context(batch.sequences(), batch.width(), mask);
            Tensor hidden = shard.model().forward(device.ofLongs(batch.tokens(), batch.tokens().length), context, tape);
            Tensor logits = shard.model().logits(hidden).cpu();
            comparison.requireShape("logits", List.of((long) batch.sequences(), (long) batch.width(), logits.size(1)));
            Tensor expected = golden.tensor("logits").view(logits.shape());
            long[] rowsThatSee = rowsThatSeeAKey();
            Tensor seen = HostTensors.ofLongs(rowsThatSee, rowsThatSee.length);
            comparison.compare("logits", logits.index_select(0, seen), expected.index_select(0, seen), 1e-5);
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
                ModelShard shard = ModelShard.whole(folder, precision, device);
                DividedGradients optimizer = new DividedGradients(shard.groups())) {
            // An infinite clip norm leaves the gradients as they are.
            StepResult result = new TrainStep(shard, optimizer, Double.POSITIVE_INFINITY).run(List.of(batch), 0);
            if (comparison.has("loss")) {
                Tensor loss = HostTensors.ofDoubles(new double[] {result.lossNats()}, 1);
                comparison.compare("loss", loss, golden.tensor("loss").view(1), 1e-5);
            }
            List<String> trained = shard.parameters().values().stream()
                    .filter(Parameter::trainable)
                    .map(Parameter::name)
                    .toList();
            byName(
                            "grad.",
                            trained,
                            name -> Objects.requireNonNull(shard.parameter(name).gradient()))
                    .forEach((quantity, gradient) -> comparison.compareRelative(quantity, gradient, 2e-5));
        }
    }

    private void training() {
        if (!comparison.has("train.losses")) {
            return;
        }
        try (TensorScope scope = new TensorScope();
                ModelShard shard = ModelShard.whole(folder, precision, device);
                AdamW optimizer = new AdamW(optimizerConfig, shard.groups())) {
            train(new TrainStep(shard, optimizer, optimizerConfig.clipNorm()));
            byName("train.final.", shard.parameters().keySet(), shard::weight)
                    .forEach((quantity, weight) -> comparison.compare(quantity, weight, 1e-5));
            if (folder.adapter().isPresent() && precision == Precision.FP32) {
                new TrainedAdapter(folder, shard, comparison).compare();
            }
        }
    }

    private void train(TrainStep step) {
        int steps = (int) golden.tensor("train.losses").numel();
        double[] losses = new double[steps];
        double[] norms = new double[steps];
        for (int i = 0; i < steps; i++) {
            StepResult result = step.run(List.of(batch), optimizerConfig.learningRate());
            losses[i] = result.lossNats();
            norms[i] = result.gradNorm();
        }
        comparison.compare("train.losses", HostTensors.ofDoubles(losses, steps), 1e-5);
        comparison.compareEach("train.grad_norms", HostTensors.ofDoubles(norms, steps), 2e-5);
    }

    /** What the golden file has of these parameters, by its names; in the open scope. */
    private Map<String, Tensor> byName(String prefix, Collection<String> parameters, Function<String, Tensor> values) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        TransformersNames.parts(parameters, this::inMemoryName).forEach((name, parts) -> {
            if (comparison.has(prefix + name)) {
                tensors.put(
                        prefix + name,
                        TransformersNames.whole(name, parts.stream().map(values).toList()));
            }
        });
        return tensors;
    }

    /** The published name, or in a model with an adapter the one that PEFT's modules have in memory. */
    private String inMemoryName(String parameter) {
        return folder.adapter()
                .map(source -> source.adapter().isOwn(parameter) ? ".default" : ".modules_to_save.default")
                .map(infix -> "base_model.model."
                        + TransformersNames.inMemory(parameter).replaceFirst("(\\.[^.]+)$", infix + "$1"))
                .orElse(TransformersNames.inMemory(parameter));
    }

    private void unknownQuantities() {
        List<String> known = new ArrayList<>(List.of("input_ids", "attention_mask", "labels"));
        comparison.rows().forEach(row -> known.add(row.quantity()));
        String hint = folder.adapter().isPresent() ? "" : "; that of a model with an adapter needs --adapter";
        golden.entries().stream()
                .map(TensorEntry::name)
                .filter(name -> !known.contains(name))
                .filter(name -> precision == Precision.FP32 || !name.startsWith(TrainedAdapter.MERGED))
                .forEach(name -> comparison.differs(name, "nothing here computes this" + hint));
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

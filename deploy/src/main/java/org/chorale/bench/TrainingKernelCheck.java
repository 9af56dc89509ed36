// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.bench.CheckTensors.Dtype;
import org.chorale.model.kernel.EmbeddingGradient;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.GradientNorm;

/**
 * Checks the kernels of loss, optimizer, norm and embedding on a GPU against their twins, which compute in fp64 where they
 * can, and measures them.
 */
public final class TrainingKernelCheck {
    private static final long VOCABULARY = 32_000;
    private static final long WIDTH = 2_048;
    private static final int ROWS = 16_384;
    private static final long SEED = 7;

    /** As many as a unit of a large model has: of fewer, the time would be that of the launches. */
    private static final long NUMBERS_OF_SPEED = 500_000_003;

    /** Roundings of a token that is in all rows, 32 of a window's and 512 windows', as a share of its terms. */
    private static final double LONGEST_SUM = (32 + 512) * 0x1p-24;

    private final KernelCheck check;
    private final CheckTensors tensors;

    private TrainingKernelCheck(KernelCheck check, CheckTensors tensors) {
        this.check = check;
        this.tensors = tensors;
    }

    /** Checks on the first GPU; the exit code is 1 where a check failed. */
    public static void main(String[] arguments) {
        Device device = Device.cuda(0);
        device.bind();
        torch.manual_seed(SEED);
        KernelCheck check = new KernelCheck(device, System.out);
        CheckTensors tensors = new CheckTensors(device, new Random(SEED));
        new CrossEntropyCheck(check, tensors).run();
        new AdamKernelCheck(check, tensors).run();
        TrainingKernelCheck others = new TrainingKernelCheck(check, tensors);
        others.norms();
        others.embeddings();
        System.exit(check.end());
    }

    private void norms() {
        for (Dtype type : Dtype.values()) {
            norm(type, 1);
            norm(type, 1_000);
            norm(type, 5, 8_192, 1, 100_003, 8_193);
            norm(type, 50_000_003);
            try (TensorScope scope = new TensorScope()) {
                Tensor flat = tensors.normal(type.scalar, NUMBERS_OF_SPEED);
                check.speed(
                        "squares",
                        "[%d]".formatted(NUMBERS_OF_SPEED),
                        type.word(),
                        flat.nbytes(),
                        () -> GradientNorm.squares(List.of(flat)));
            }
        }
    }

    private void norm(Dtype type, long... lengths) {
        try (TensorScope scope = new TensorScope()) {
            List<Tensor> flats = Arrays.stream(lengths)
                    .mapToObj(n -> tensors.normal(type.scalar, n))
                    .toList();
            check.compare("squares", Arrays.toString(lengths), type.word(), 1e-6, () -> {
                double expected = flats.stream()
                        .mapToDouble(flat ->
                                flat.to(ScalarType.Double).square_().sum().item_double())
                        .sum();
                return Math.abs(GradientNorm.squares(flats).item_double() - expected) / expected;
            });
            check.compare(
                    "squares, again",
                    Arrays.toString(lengths),
                    type.word(),
                    0,
                    () -> CheckTensors.error(GradientNorm.squares(flats), GradientNorm.squares(flats), 1));
        }
    }

    private void embeddings() {
        for (Dtype type : Dtype.values()) {
            for (ScalarType sum : List.of(ScalarType.Float, ScalarType.BFloat16)) {
                for (long rows : new long[] {1, 7, 1_000}) {
                    embedding(type, sum, 100, 64, () -> tensors.tokens(rows, 100));
                }
                embedding(type, sum, VOCABULARY, WIDTH, () -> tensors.tokens(ROWS, VOCABULARY));
                embedding(type, sum, VOCABULARY, WIDTH, this::repeated);
            }
            embeddingSpeed(type, "different tokens", this::distinct);
            embeddingSpeed(type, "half one token", this::repeated);
        }
    }

    private void embedding(Dtype type, ScalarType sum, long vocabulary, long width, Supplier<Tensor> drawn) {
        try (TensorScope scope = new TensorScope()) {
            Tensor tokens = drawn.get();
            String shape = "%d of [%d, %d]".formatted(tokens.size(0), vocabulary, width);
            Tensor dy = tensors.normal(type.scalar, tokens.size(0), width);
            Tensor gradient = tensors.normal(sum, vocabulary, width);
            Tensor again = torch.clone(gradient);
            Tensor expected = gradient.to(ScalarType.Double);
            Tensor terms = expected.abs(); // what each sum is made of
            EmbeddingGradient.twin(terms, tokens, dy.abs());
            double tolerance = sum == ScalarType.Float ? LONGEST_SUM : 8e-3;
            check.compare("embedding gradient", shape, type.word() + " to " + sum, tolerance, () -> {
                EmbeddingGradient.twin(expected, tokens, dy);
                EmbeddingGradient.add(gradient, tokens, dy);
                return CheckTensors.error(gradient, expected, terms.clamp_min_(Scalars.of(1)));
            });
            check.compare("embedding gradient, again", shape, type.word() + " to " + sum, 0, () -> {
                EmbeddingGradient.add(again, tokens, dy);
                return CheckTensors.error(again, gradient, 1);
            });
        }
    }

    private void embeddingSpeed(Dtype type, String what, Supplier<Tensor> drawn) {
        try (TensorScope scope = new TensorScope()) {
            Tensor tokens = drawn.get();
            Tensor dy = tensors.normal(type.scalar, ROWS, WIDTH);
            Tensor gradient = tensors.device().zeros(ScalarType.Float, VOCABULARY, WIDTH);
            long named = torch.bincount(tokens).gt(Scalars.of(0)).sum().item_long();
            long bytes = dy.nbytes() + 2 * named * WIDTH * Float.BYTES;
            check.speed(
                    "embedding gradient", what, type.word(), bytes, () -> EmbeddingGradient.add(gradient, tokens, dy));
        }
    }

    /** Half of them one token, as padding is. */
    private Tensor repeated() {
        long[] tokens = tensors.random().longs(ROWS, 0, VOCABULARY).toArray();
        for (int i = 0; i < ROWS; i += 2) {
            tokens[i] = 3;
        }
        return tensors.device().ofLongs(tokens, ROWS);
    }

    private Tensor distinct() {
        long[] tokens = new long[ROWS];
        Arrays.setAll(tokens, i -> (i * 7_919L) % VOCABULARY); // which has no factor in common with the vocabulary
        return tensors.device().ofLongs(tokens, ROWS);
    }
}

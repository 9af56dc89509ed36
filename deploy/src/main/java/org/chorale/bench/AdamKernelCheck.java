// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.kernel.AdamKernel;
import org.chorale.training.kernel.AdamRule;
import org.chorale.training.kernel.AdamRun;
import org.chorale.training.kernel.AdamTwin;
import org.jspecify.annotations.Nullable;

/** The kernel of Adam and AdamW against libtorch's own, over a few steps. */
final class AdamKernelCheck {
    private static final int STEPS = 3;
    private static final double RATE = 1e-2;

    private final KernelCheck check;
    private final CheckTensors tensors;

    AdamKernelCheck(KernelCheck check, CheckTensors tensors) {
        this.check = check;
        this.tensors = tensors;
    }

    private record Kinds(
            ScalarType weights,
            ScalarType gradients,
            @Nullable ScalarType values) {
        double tolerance() {
            return isNarrow() ? 2e-2 : 5e-5; // of bf16, two roundings that may differ
        }

        /**
         * Below which differences count as shares of this. What is rounded to bf16 step by step and then comes close to
         * zero, as weights and first moments do, still has the roundings of what it was.
         */
        double floor() {
            return isNarrow() ? 0.25 : 1e-2;
        }

        private boolean isNarrow() {
            return weights == ScalarType.BFloat16;
        }

        String word() {
            return weights + "/" + gradients + "/" + (values == null ? "no copy" : values);
        }
    }

    private static final List<Kinds> KINDS = List.of(
            new Kinds(ScalarType.Float, ScalarType.Float, null),
            new Kinds(ScalarType.Float, ScalarType.Float, ScalarType.BFloat16),
            new Kinds(ScalarType.Float, ScalarType.BFloat16, ScalarType.Half),
            new Kinds(ScalarType.BFloat16, ScalarType.Float, null),
            new Kinds(ScalarType.BFloat16, ScalarType.BFloat16, ScalarType.BFloat16));

    void run() {
        for (Kinds kinds : KINDS) {
            for (boolean decaysGradient : new boolean[] {false, true}) {
                adam(kinds, decaysGradient, 1);
                adam(kinds, decaysGradient, 1_000);
                adam(kinds, decaysGradient, 1, 1_000, 8_191, 8_193, 100_000);
            }
            adam(kinds, false, 50_000_003);
            adamSpeed(kinds, 50_000_003);
        }
    }

    private void adam(Kinds kinds, boolean decaysGradient, long... lengths) {
        String name = decaysGradient ? "adam" : "adamw";
        String shape = Arrays.toString(lengths);
        AdamRule rule = new AdamRule(0.9, 0.999, 1e-8, 0.1, decaysGradient);
        try (TensorScope scope = new TensorScope()) {
            List<AdamRun> runs =
                    Arrays.stream(lengths).mapToObj(n -> run(kinds, n)).toList();
            List<AdamRun> twins = runs.stream().map(AdamKernelCheck::copy).toList();
            check.compare(name, shape, kinds.word(), kinds.tolerance(), () -> {
                try (AdamKernel kernel = new AdamKernel(rule, runs)) {
                    steps(kernel::step, runs, 0);
                }
                steps(new AdamTwin(rule)::step, twins, 0);
                return largest(kinds, runs, twins);
            });
            check.compare(name + " copy", shape, kinds.word(), 0, () -> copyError(runs));
            check.compare(name + " gated", shape, kinds.word(), 0, () -> {
                List<AdamRun> before = runs.stream().map(AdamKernelCheck::copy).toList();
                try (AdamKernel kernel = new AdamKernel(rule, runs)) {
                    steps(kernel::step, runs, 1);
                }
                return largest(kinds, runs, before);
            });
        }
    }

    private interface Mover {
        void step(List<AdamRun> runs, double rate, Tensor steps, Tensor divisor, Tensor notFinite);
    }

    private void steps(Mover mover, List<AdamRun> runs, double notFinite) {
        for (int step = 1; step <= STEPS; step++) {
            try (TensorScope scope = new TensorScope()) {
                Tensor factor = tensors.number(step);
                runs.forEach(run -> run.gradients().mul_(factor));
                List<Tensor> kept =
                        runs.stream().map(run -> torch.clone(run.gradients())).toList();
                List<Tensor> moved = kept.stream().map(torch::clone).toList();
                List<AdamRun> elsewhere = step % 2 == 0 ? runs : withGradients(runs, moved);
                mover.step(elsewhere, RATE, tensors.number(step), tensors.number(4), tensors.number(notFinite));
                for (int i = 0; i < kept.size(); i++) { // which the twin may have divided
                    runs.get(i).gradients().copy_(kept.get(i));
                }
            }
        }
    }

    /** As in a step whose gradients lie elsewhere than in the one before. */
    private static List<AdamRun> withGradients(List<AdamRun> runs, List<Tensor> gradients) {
        return IntStream.range(0, runs.size())
                .mapToObj(i -> {
                    AdamRun run = runs.get(i);
                    return new AdamRun(
                            run.weights(), gradients.get(i), run.firstMoments(), run.secondMoments(), run.values());
                })
                .toList();
    }

    private void adamSpeed(Kinds kinds, long elements) {
        try (TensorScope scope = new TensorScope()) {
            AdamRun run = run(kinds, elements);
            long bytes = 6 * run.weights().nbytes()
                    + run.gradients().nbytes()
                    + (run.values() == null ? 0 : run.values().nbytes());
            Tensor one = tensors.number(1);
            Tensor zero = tensors.number(0);
            try (AdamKernel kernel = new AdamKernel(new AdamRule(0.9, 0.999, 1e-8, 0.1, false), List.of(run))) {
                check.speed(
                        "adamw",
                        "[%d]".formatted(elements),
                        kinds.word(),
                        bytes,
                        () -> kernel.step(List.of(run), RATE, one, one, zero));
            }
        }
    }

    private AdamRun run(Kinds kinds, long elements) {
        return new AdamRun(
                tensors.normal(kinds.weights, elements),
                tensors.normal(kinds.gradients, elements),
                tensors.normal(kinds.weights, elements).mul_(Scalars.of(0.1)),
                tensors.normal(kinds.weights, elements).square_(),
                kinds.values == null ? null : tensors.device().zeros(kinds.values, elements));
    }

    private static AdamRun copy(AdamRun run) {
        return new AdamRun(
                torch.clone(run.weights()),
                torch.clone(run.gradients()),
                torch.clone(run.firstMoments()),
                torch.clone(run.secondMoments()),
                null);
    }

    private static double largest(Kinds kinds, List<AdamRun> actual, List<AdamRun> expected) {
        double largest = 0;
        for (int i = 0; i < actual.size(); i++) {
            AdamRun a = actual.get(i);
            AdamRun b = expected.get(i);
            largest = Math.max(largest, CheckTensors.error(a.weights(), b.weights(), kinds.floor()));
            largest = Math.max(largest, CheckTensors.error(a.firstMoments(), b.firstMoments(), kinds.floor()));
            largest = Math.max(largest, CheckTensors.error(a.secondMoments(), b.secondMoments(), 1e-2));
        }
        return largest;
    }

    private static double copyError(List<AdamRun> runs) {
        double largest = 0;
        for (AdamRun run : runs) {
            Tensor values = run.values();
            if (values != null) {
                largest = Math.max(
                        largest, CheckTensors.error(values, run.weights().to(values.scalar_type()), 1));
            }
        }
        return largest;
    }
}

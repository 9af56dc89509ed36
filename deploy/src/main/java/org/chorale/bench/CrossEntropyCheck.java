// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.bench.CheckTensors.Dtype;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.kernel.CrossEntropyKernel;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.loss.FusedLinearCrossEntropy;

/** The kernel of the loss against its twin, which computes in fp64, a dtype that the kernel does not take. */
final class CrossEntropyCheck {
    private static final long ROWS_OF_CHUNK = 4096;

    /** A softmax's, of exponentials in two instructions: some 2⁻²² of the largest, more where a small p is left of a difference. */
    private static final double EXPONENTIAL = 5e-5;

    private final KernelCheck check;
    private final CheckTensors tensors;

    CrossEntropyCheck(KernelCheck check, CheckTensors tensors) {
        this.check = check;
        this.tensors = tensors;
    }

    void run() {
        for (Dtype type : Dtype.values()) {
            crossEntropy(type);
        }
    }

    private void crossEntropy(Dtype type) {
        for (long rows : new long[] {1, 7, 1024}) {
            for (long classes : new long[] {100, 32_000, 128_256}) {
                String shape = "[%d, %d]".formatted(rows, classes);
                crossEntropy(type, rows, classes, shape, CrossEntropySettings.PLAIN);
                crossEntropy(type, rows, classes, shape + " smoothed, z", new CrossEntropySettings(0.1, 1e-3));
            }
        }
        for (long classes : new long[] {32_000, 128_256}) {
            try (TensorScope scope = new TensorScope()) {
                Tensor logits = tensors.normal(type.scalar, ROWS_OF_CHUNK, classes);
                Tensor targets = tensors.tokens(ROWS_OF_CHUNK, classes);
                CrossEntropyKernel kernel = new CrossEntropyKernel(0, 0);
                check.speed( // each launch takes the last one's gradients for logits
                        "cross entropy",
                        "[%d, %d]".formatted(ROWS_OF_CHUNK, classes),
                        type.word(),
                        2 * logits.nbytes(),
                        () -> kernel.gradients(logits, targets, null));
                check.speed(
                        "cross entropy, costs alone",
                        "[%d, %d]".formatted(ROWS_OF_CHUNK, classes),
                        type.word(),
                        logits.nbytes(),
                        () -> kernel.costs(logits, targets));
            }
        }
    }

    private void crossEntropy(Dtype type, long rows, long classes, String shape, CrossEntropySettings settings) {
        FusedLinearCrossEntropy loss = new FusedLinearCrossEntropy(settings);
        double floor =
                Math.max(type.floor, settings.labelSmoothing() / (double) classes); // p − ε/V may be next to nothing
        try (TensorScope scope = new TensorScope()) {
            Tensor logits = tensors.normal(type.scalar, rows, classes).mul_(Scalars.of(3));
            Tensor wide = logits.to(ScalarType.Double); // which the twin computes with, for the kernel does not take it
            Tensor targets = tensors.tokens(rows, classes);
            Tensor upstream = tensors.number(2.5);
            Tensor sum = tensors.device().zeros(ScalarType.Double, 1);
            Tensor reference = tensors.device().zeros(ScalarType.Double, 1);
            double tolerance = Math.max(type.tolerance, EXPONENTIAL);
            check.compare("cross entropy gradient", shape, type.word(), tolerance, () -> {
                Tensor expected = loss.gradients(new Identity(), wide, targets, classes, upstream, reference);
                Tensor actual = loss.gradients(new Identity(), logits, targets, classes, upstream, sum);
                return CheckTensors.error(actual, expected, floor);
            });
            check.compare("cross entropy loss", shape, type.word(), 1e-5, () -> CheckTensors.error(sum, reference, 1));
            check.compare("hits", shape, type.word(), 0, () -> {
                Tensor expected = loss.hits(same -> same, wide, targets, classes, reference.zero_());
                Tensor actual = loss.hits(same -> same, logits, targets, classes, sum.zero_());
                return CheckTensors.error(actual.to(ScalarType.Float), expected.to(ScalarType.Float), 1);
            });
            check.compare("costs alone", shape, type.word(), 1e-5, () -> CheckTensors.error(sum, reference, 1));
        }
    }

    /** A head whose hidden states are the logits. */
    private static final class Identity implements FusedLinearCrossEntropy.Head {
        @Override
        public Tensor logits(Tensor hidden) {
            return torch.clone(hidden);
        }

        @Override
        public Tensor backward(Tensor dLogits, Tensor hidden) {
            return dLogits;
        }
    }
}

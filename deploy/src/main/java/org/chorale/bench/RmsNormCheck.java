// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.chorale.bench.BlockKernelCheck.exact;
import static org.chorale.bench.CheckTensors.error;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.bench.CheckTensors.Dtype;
import org.chorale.model.kernel.RmsNormKernel;
import org.chorale.model.kernel.RmsNormKernel.Normed;
import org.chorale.model.kernel.RmsNormKernel.Weighting;
import org.chorale.tensor.TensorScope;

/** Forward, with and without an addition, once more, and backward of RMSNorm: R rows, D model width. */
final class RmsNormCheck {
    private static final double EPSILON = 1e-5;
    private static final long[] WIDTHS = {64, 2_048, 2_304, 4_096};

    /** No multiple of an access, and the widest that the kernel takes. */
    private static final long[] ODD_WIDTHS = {2_047, 32_768};

    private final KernelCheck check;
    private final CheckTensors tensors;
    private final Weighting weighting;

    RmsNormCheck(KernelCheck check, CheckTensors tensors, Weighting weighting) {
        this.check = check;
        this.tensors = tensors;
        this.weighting = weighting;
    }

    void run(long[] rows) {
        for (Dtype type : Dtype.values()) {
            for (long r : rows) {
                for (long width : WIDTHS) {
                    shape(type, r, width);
                }
            }
            for (long width : ODD_WIDTHS) {
                shape(type, 7, width);
            }
            speeds(type, rows[rows.length - 1], WIDTHS[WIDTHS.length - 1]);
        }
    }

    private void shape(Dtype type, long rows, long width) {
        try (TensorScope scope = new TensorScope()) {
            String shape = "[%d, %d]".formatted(rows, width);
            Tensor x = tensors.normal(type.scalar, rows, width);
            Tensor weight = tensors.normal(type.scalar, width);
            Tensor scale = twin().forward(exact(x), exact(weight), EPSILON).scale();
            check.compare(name("norm"), shape, type.word(), 2 * type.tolerance, () -> {
                Normed normed = kernel(x, weight).forward(x, weight, EPSILON);
                Tensor rows64 = twin().forward(exact(x), exact(weight), EPSILON).rows();
                return Math.max(error(normed.rows(), rows64, 1), error(normed.scale(), scale, 1));
            });
            check.compare(name("norm of sum"), shape, type.word(), 2 * type.tolerance, () -> ofSum(type, x, weight));
            Tensor narrowScale = scale.to(ScalarType.Float);
            backward("norm backward, frozen", type, x, weight, narrowScale, false, false);
            backward("norm backward, residual", type, x, weight, narrowScale, true, false);
            backward("norm backward, trained", type, x, weight, narrowScale, true, true);
        }
    }

    private double ofSum(Dtype type, Tensor x, Tensor weight) {
        Tensor sum = tensors.normal(type.scalar, x.shape());
        Tensor expected = exact(sum).add(exact(x));
        Normed normed = kernel(sum, weight).addAndForward(sum, x, weight, EPSILON);
        Normed reference = twin().forward(exact(sum), exact(weight), EPSILON);
        return Math.max(error(sum, expected, 1), error(normed.rows(), reference.rows(), 1));
    }

    private void backward(
            String name, Dtype type, Tensor x, Tensor weight, Tensor scale, boolean residual, boolean trained) {
        String shape = "[%d, %d]".formatted(x.size(0), x.size(1));
        Tensor dy = tensors.normal(type.scalar, x.shape());
        Tensor around = residual ? tensors.normal(type.scalar, x.shape()) : null;
        Tensor gradient = trained ? tensors.normal(ScalarType.Float, x.size(1)) : null;
        Tensor expectedGradient = gradient == null ? null : exact(gradient);
        Tensor repeated = gradient == null ? null : torch.clone(gradient);
        check.compare(name(name), shape, type.word(), type.tolerance, () -> {
            Tensor dx = kernel(x, weight).backward(dy, x, scale, weight, around, gradient);
            Tensor expected = twin().backward(
                            exact(dy),
                            exact(x),
                            exact(scale),
                            exact(weight),
                            around == null ? null : exact(around),
                            expectedGradient);
            return error(dx, expected, 1);
        });
        if (gradient != null && expectedGradient != null && repeated != null) {
            check.compare(
                    name("norm weight's gradient"),
                    shape,
                    type.word(),
                    1e-5,
                    () -> error(gradient, expectedGradient, Math.sqrt((double) x.size(0))));
            check.compare(name("norm weight's gradient, again"), shape, type.word(), 0, () -> {
                kernel(x, weight).backward(dy, x, scale, weight, around, repeated);
                return error(repeated, gradient, 1);
            });
        }
    }

    private void speeds(Dtype type, long rows, long width) {
        try (TensorScope scope = new TensorScope()) {
            String shape = "[%d, %d]".formatted(rows, width);
            Tensor x = tensors.normal(type.scalar, rows, width);
            Tensor dy = tensors.normal(type.scalar, rows, width);
            Tensor sum = tensors.device().zeros(type.scalar, rows, width);
            Tensor weight = tensors.normal(type.scalar, width);
            Tensor gradient = tensors.device().zeros(ScalarType.Float, width);
            Tensor scale = tensors.device().zeros(ScalarType.Float, rows, 1);
            RmsNormKernel kernel = kernel(x, weight);
            long pass = x.nbytes();
            check.speed(name("norm"), shape, type.word(), 2 * pass, () -> kernel.forward(x, weight, EPSILON));
            check.speed(
                    name("norm of sum"),
                    shape,
                    type.word(),
                    4 * pass,
                    () -> kernel.addAndForward(sum, x, weight, EPSILON));
            check.speed(
                    name("norm backward, residual"),
                    shape,
                    type.word(),
                    4 * pass,
                    () -> kernel.backward(dy, x, scale, weight, sum, null));
            check.speed(
                    name("norm backward, trained"),
                    shape,
                    type.word(),
                    4 * pass,
                    () -> kernel.backward(dy, x, scale, weight, sum, gradient));
        }
    }

    private RmsNormKernel kernel(Tensor x, Tensor weight) {
        return BlockKernelCheck.fused(RmsNormKernel.of(x, weight, weighting), twin());
    }

    private RmsNormKernel twin() {
        return RmsNormKernel.twin(weighting);
    }

    private String name(String what) {
        return weighting == Weighting.PLAIN ? what : what + ", from one";
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.chorale.bench.BlockKernelCheck.exact;
import static org.chorale.bench.CheckTensors.error;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.bench.CheckTensors.Dtype;
import org.chorale.model.kernel.Curve;
import org.chorale.model.kernel.GluKernel;
import org.chorale.tensor.TensorScope;

/** Forward and backward of a gated activation, gate and up apart or as halves of one product: R rows, F inner width. */
final class GluCheck {
    private static final long[] WIDTHS = {384, 5_632, 14_336};

    /** No multiple of an access. */
    private static final long ODD_WIDTH = 1_001;

    private final KernelCheck check;
    private final CheckTensors tensors;
    private final Curve curve;

    private record Operands(Tensor gate, Tensor up) {}

    GluCheck(KernelCheck check, CheckTensors tensors, Curve curve) {
        this.check = check;
        this.tensors = tensors;
        this.curve = curve;
    }

    void run(long[] rows) {
        for (Dtype type : Dtype.values()) {
            for (long r : rows) {
                for (long width : WIDTHS) {
                    shape(type, r, width, false);
                }
                shape(type, r, WIDTHS[0], true);
            }
            shape(type, 7, ODD_WIDTH, false);
            shape(type, 7, ODD_WIDTH, true);
            speeds(type, rows[rows.length - 1], WIDTHS[WIDTHS.length - 1]);
        }
    }

    private void shape(Dtype type, long rows, long width, boolean halves) {
        try (TensorScope scope = new TensorScope()) {
            Operands in = operands(type, rows, width, halves);
            Tensor dInner = tensors.normal(type.scalar, rows, width);
            String shape = "[%d, %d]%s".formatted(rows, width, halves ? " halves" : "");
            GluKernel kernel = kernel(in);
            check.compare("gated " + curve, shape, type.word(), type.tolerance, () -> {
                Tensor expected = GluKernel.twin(curve).forward(exact(in.gate), exact(in.up));
                return error(kernel.forward(in.gate, in.up), expected, 1);
            });
            check.compare("gated " + curve + " backward", shape, type.word(), type.tolerance, () -> {
                Tensor dGate = exact(in.gate);
                Tensor dUp = exact(in.up);
                Tensor expected = GluKernel.twin(curve).backward(exact(dInner), dGate, dUp);
                Tensor actual = kernel.backward(torch.clone(dInner), in.gate, in.up);
                double ofInputs = Math.max(error(in.gate, dGate, 1), error(in.up, dUp, 1));
                return Math.max(ofInputs, error(actual, expected, 1));
            });
        }
    }

    private void speeds(Dtype type, long rows, long width) {
        try (TensorScope scope = new TensorScope()) {
            Operands in = operands(type, rows, width, false);
            Tensor dInner = tensors.normal(type.scalar, rows, width);
            String shape = "[%d, %d]".formatted(rows, width);
            GluKernel kernel = kernel(in);
            check.speed(
                    "gated " + curve, shape, type.word(), 3 * dInner.nbytes(), () -> kernel.forward(in.gate, in.up));
            check.speed(
                    "gated " + curve + " backward",
                    shape,
                    type.word(),
                    6 * dInner.nbytes(),
                    () -> kernel.backward(dInner, in.gate, in.up));
        }
    }

    private Operands operands(Dtype type, long rows, long width, boolean halves) {
        if (!halves) {
            return new Operands(tensors.normal(type.scalar, rows, width), tensors.normal(type.scalar, rows, width));
        }
        Tensor product = tensors.normal(type.scalar, rows, 2 * width);
        return new Operands(product.narrow(1, 0, width), product.narrow(1, width, width));
    }

    private GluKernel kernel(Operands in) {
        return BlockKernelCheck.fused(GluKernel.of(curve, in.gate, in.up), GluKernel.twin(curve));
    }
}

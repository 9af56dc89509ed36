// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.chorale.bench.BlockKernelCheck.exact;

import java.util.List;
import java.util.Objects;
import java.util.function.DoubleSupplier;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.bench.CheckTensors.Dtype;
import org.chorale.model.layer.Linear;
import org.chorale.model.layer.LowRank;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * Forward and backward of a linear with an adapter: R rows, I inputs, O outputs, r rank. Its gradients begin cleared, over
 * memory full of NaN, which the first backward has to write and a second one to add to.
 */
final class LinearCheck {
    private static final long INPUTS = 1_024;
    private static final long OUTPUTS = 640;
    private static final long RANK = 16;
    private static final double SCALE = 1.5;

    private final KernelCheck check;
    private final CheckTensors tensors;

    LinearCheck(KernelCheck check, CheckTensors tensors) {
        this.check = check;
        this.tensors = tensors;
    }

    void run(long[] rows) {
        for (Dtype type : Dtype.values()) {
            for (long r : rows) {
                shape(type, r);
            }
        }
    }

    private void shape(Dtype type, long rows) {
        try (TensorScope scope = new TensorScope()) {
            Tensor x = tensors.normal(type.scalar, rows, INPUTS);
            Tensor dy = tensors.normal(type.scalar, rows, OUTPUTS);
            Parameter weight = cleared(type, OUTPUTS, INPUTS);
            Parameter down = cleared(type, RANK, INPUTS);
            Parameter up = cleared(type, OUTPUTS, RANK);
            Linear linear = new Linear(weight, null, new LowRank(down, up, SCALE, 0));
            Tensor merged =
                    exact(weight.value()).add(exact(up.value()).mm(exact(down.value())), Scalars.of(SCALE)); // [O, I]
            compare("linear", type, rows, () -> error(linear.forward(x), exact(x).mm(merged.t())));
            compare("linear backward", type, rows, () -> error(linear.backward(dy, x), exact(dy).mm(merged)));
            gradients("linear gradients", type, rows, 1, List.of(weight, down, up), dy, x);
            linear.backward(dy, x);
            gradients("linear gradients, added", type, rows, 2, List.of(weight, down, up), dy, x);
        }
    }

    private void gradients(
            String name, Dtype type, long rows, double times, List<Parameter> parameters, Tensor dy, Tensor x) {
        Tensor down = exact(parameters.get(1).value());
        Tensor up = exact(parameters.get(2).value());
        Tensor expected = exact(dy).t().mm(exact(x)).mul_(Scalars.of(times)); // [O, I], of the weight
        compare(name, type, rows, () -> {
            double ofDown = error(gradient(parameters.get(1)), up.t().mm(expected).mul_(Scalars.of(SCALE)));
            double ofUp = error(gradient(parameters.get(2)), expected.mm(down.t()).mul_(Scalars.of(SCALE)));
            return Math.max(error(gradient(parameters.get(0)), expected), Math.max(ofDown, ofUp));
        });
    }

    /** Several roundings to the dtype follow each other on the way through an adapter. */
    private void compare(String name, Dtype type, long rows, DoubleSupplier error) {
        String shape = "[%d, %d] to %d".formatted(rows, INPUTS, OUTPUTS);
        check.compare(name, shape, type.word(), 4 * type.tolerance, error);
    }

    private Parameter cleared(Dtype type, long... shape) {
        Tensor gradient = tensors.device().empty(ScalarType.Float, shape).fill_(Scalars.of(Double.NaN));
        Parameter parameter = new Parameter("parameter", tensors.normal(type.scalar, shape), gradient);
        parameter.clearGradient();
        return parameter;
    }

    private static Tensor gradient(Parameter parameter) {
        return Objects.requireNonNull(parameter.gradient());
    }

    /** The largest difference as a share of the largest magnitude. */
    private static double error(Tensor actual, Tensor reference) {
        return CheckTensors.error(actual, reference, torch.max(reference.abs()));
    }
}

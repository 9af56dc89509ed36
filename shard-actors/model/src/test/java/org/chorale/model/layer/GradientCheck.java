// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;

/**
 * Holds a layer's backward against the two judges there are: libtorch's autograd of a plain formula, and central
 * differences. Everything in fp64; the objective is Σ y·r with random r, so that every output counts differently.
 */
final class GradientCheck {
    /** eps, rtol 1e-3 and atol 1e-5 are those of torch's gradcheck. */
    private static final double STEP = 1e-6;

    /** Of fp64 sums in another order, relative to the tensor's largest magnitude. */
    private static final double TOLERANCE = 1e-11;

    /** A layer as it is used: a forward onto a tape, and a backward from it. */
    interface Layer {
        Tensor forward(Tensor x, Tape tape);

        Tensor backward(Tensor dy, Tape tape);
    }

    private final List<Parameter> parameters = new ArrayList<>();
    private final List<FlatBuffers> flat; // of weights and of adapters; empty where each parameter lies by itself

    /** Where parameters follow each other in memory, as in a unit's buffers. */
    private record FlatBuffers(Tensor values, Tensor gradients, AtomicLong taken) {
        Parameter next(String name, long... shape) {
            long elements = LongStream.of(shape).reduce(1, (a, b) -> a * b);
            long from = taken.getAndAdd(elements);
            return new Parameter(
                    name,
                    values.narrow(0, from, elements).view(shape),
                    gradients.narrow(0, from, elements).view(shape));
        }
    }

    GradientCheck() {
        this.flat = List.of();
    }

    /** Whose parameters follow each other in memory, those of adapters ({@code name.A}) elsewhere than the others. */
    GradientCheck(long elementsAtMost) {
        this.flat = List.of(flat(elementsAtMost), flat(elementsAtMost));
    }

    private static FlatBuffers flat(long elements) {
        Tensor values = random(elements);
        return new FlatBuffers(values, torch.zeros_like(values), new AtomicLong());
    }

    Parameter parameter(String name, long... shape) {
        Parameter parameter = flat.isEmpty()
                ? apart(name, shape)
                : flat.get(name.contains(".") ? 1 : 0).next(name, shape);
        parameters.add(parameter);
        return parameter;
    }

    private static Parameter apart(String name, long... shape) {
        Tensor value = random(shape);
        return new Parameter(name, value, torch.zeros_like(value));
    }

    static Tensor random(long... shape) {
        return torch.randn(shape, new TensorOptions(ScalarType.Double));
    }

    /**
     * @param formula the same function written plainly, from input and parameters in their order of creation
     */
    void check(Layer layer, Tensor x, Function<Tensor[], Tensor> formula) {
        Tensor[] inputs = inputs(x);
        Tensor y;
        Tensor weights;
        Tensor dx;
        try (Tape tape = new Tape()) {
            y = layer.forward(x, tape);
            assertThat(tape.bytes()).as("the tape counts what it holds").isPositive();
            weights = torch.randn_like(y);
            dx = layer.backward(weights, tape);
            assertThat(tape.bytes())
                    .as("a backward pops all that its forward pushed")
                    .isZero();
        }
        agreesWithAutograd(inputs, formula, y, weights, dx);
        agreesWithDifferences(layer, x, x, weights, dx, "input");
        for (Parameter parameter : parameters) {
            agreesWithDifferences(
                    layer,
                    x,
                    parameter.value(),
                    weights,
                    Objects.requireNonNull(parameter.gradient()),
                    parameter.name());
        }
        gradientsAddUp(layer, x, weights);
    }

    /** By differences alone, for what no plain formula repeats: dropout. */
    void differences(Layer layer, Tensor x) {
        try (Tape tape = new Tape()) {
            Tensor weights = torch.randn_like(layer.forward(x, tape));
            Tensor dx = layer.backward(weights, tape);
            agreesWithDifferences(layer, x, x, weights, dx, "input");
            for (Parameter parameter : parameters) {
                Tensor gradient = Objects.requireNonNull(parameter.gradient());
                agreesWithDifferences(layer, x, parameter.value(), weights, gradient, parameter.name());
            }
        }
    }

    List<Parameter> parameters() {
        return parameters;
    }

    private Tensor[] inputs(Tensor x) {
        Tensor[] inputs = new Tensor[parameters.size() + 1];
        inputs[0] = x;
        for (int i = 0; i < parameters.size(); i++) {
            inputs[i + 1] = parameters.get(i).value();
        }
        return inputs;
    }

    private void agreesWithAutograd(
            Tensor[] inputs, Function<Tensor[], Tensor> formula, Tensor y, Tensor weights, Tensor dx) {
        Tensor[] leaves = new Tensor[inputs.length];
        for (int i = 0; i < inputs.length; i++) {
            leaves[i] = inputs[i].detach().clone();
            leaves[i].set_requires_grad(true);
        }
        Tensor plain = formula.apply(leaves);
        close(y, plain.detach(), "output");
        plain.mul(weights).sum().backward();
        close(dx, leaves[0].grad(), "autograd of the input");
        for (int i = 1; i < leaves.length; i++) {
            Parameter parameter = parameters.get(i - 1);
            close(Objects.requireNonNull(parameter.gradient()), leaves[i].grad(), "autograd of " + parameter.name());
        }
    }

    private void agreesWithDifferences(
            Layer layer, Tensor x, Tensor varied, Tensor weights, Tensor gradient, String what) {
        Tensor flat = varied.view(-1);
        Tensor flatGradient = gradient.contiguous().view(-1);
        for (long i = 0; i < flat.numel(); i += Math.max(1, flat.numel() / 23)) {
            Tensor element = flat.narrow(0, i, 1);
            double numeric =
                    (objectiveAt(layer, x, element, weights, STEP) - objectiveAt(layer, x, element, weights, -STEP))
                            / (2 * STEP);
            double analytic = flatGradient.narrow(0, i, 1).item_double();
            assertThat(Math.abs(numeric - analytic))
                    .as("difference quotient of %s[%d]: %s, backward says %s", what, i, numeric, analytic)
                    .isLessThan(1e-5 + 1e-3 * Math.abs(numeric));
        }
    }

    private static double objectiveAt(Layer layer, Tensor x, Tensor element, Tensor weights, double shift) {
        try (TensorScope scope = new TensorScope();
                Tape tape = new Tape()) {
            double before = element.item_double();
            element.fill_(new Scalar(before + shift));
            double objective = layer.forward(x, tape).mul(weights).sum().item_double();
            element.fill_(new Scalar(before));
            return objective;
        }
    }

    private void gradientsAddUp(Layer layer, Tensor x, Tensor weights) {
        List<Tensor> once = parameters.stream()
                .map(p -> Objects.requireNonNull(p.gradient()).clone())
                .toList();
        try (Tape tape = new Tape()) {
            layer.forward(x, tape);
            layer.backward(weights, tape);
        }
        for (int i = 0; i < once.size(); i++) {
            close(
                    Objects.requireNonNull(parameters.get(i).gradient()),
                    once.get(i).add(once.get(i)),
                    "second backward adds to the first");
        }
        clearedGradientsAreWritten(layer, x, weights, once);
    }

    private void clearedGradientsAreWritten(Layer layer, Tensor x, Tensor weights, List<Tensor> once) {
        for (Parameter parameter : parameters) {
            Objects.requireNonNull(parameter.gradient()).fill_(new Scalar(Double.NaN));
            parameter.clearGradient();
        }
        try (Tape tape = new Tape()) {
            layer.forward(x, tape);
            layer.backward(weights, tape);
        }
        for (int i = 0; i < once.size(); i++) {
            close(
                    Objects.requireNonNull(parameters.get(i).gradient()),
                    once.get(i),
                    "a backward after a clearing reads nothing of the gradient before");
        }
    }

    private static void close(Tensor actual, Tensor expected, String what) {
        assertThat(actual.shape()).as(what).isEqualTo(expected.shape());
        double scale = Math.max(1, expected.abs().max().item_double());
        double difference = actual.sub(expected).abs().max().item_double();
        assertThat(difference).as(what).isLessThan(TOLERANCE * scale);
    }
}

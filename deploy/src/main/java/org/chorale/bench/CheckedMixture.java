// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Activation;
import org.chorale.model.layer.GatedFeedForward;
import org.chorale.model.layer.Linear;
import org.chorale.model.layer.LowRank;
import org.chorale.model.layer.MixtureOfExperts;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.SideBySide;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * A mixture in bf16 with fp32 gradients, whose parameters follow each other in flat buffers as in a unit's: with evenly spaced
 * experts, or with a gap behind the first. Its weights are drawn: the same ones from the same seed.
 */
final class CheckedMixture {
    private static final double DEVIATION = 0.05;
    private static final double SCALE = 0.5; // of adapters
    private static final long SEED = 11;
    private static final long GAP = 64; // numbers

    private final Flat weights;
    private final Flat adapters;
    private final MixtureCase sizes;
    private final MixtureOfExperts mixture;
    private final List<Parameter> parameters = new ArrayList<>();

    /** Values and gradients, of which parameters take one part after the other. */
    private static final class Flat {
        private final Tensor values;
        private final Tensor gradients;
        private long taken;

        Flat(Device device, long elements) {
            this.values = device.empty(ScalarType.BFloat16, elements);
            this.gradients = device.empty(ScalarType.Float, elements).fill_(Scalars.of(Double.NaN));
        }

        Parameter next(String name, long outputs, long inputs) {
            long from = taken;
            taken += outputs * inputs;
            Tensor value = values.narrow(0, from, outputs * inputs).view(outputs, inputs);
            Tensor gradient = gradients.narrow(0, from, outputs * inputs).view(outputs, inputs);
            Parameter parameter = new Parameter(name, value.normal_().mul_(Scalars.of(DEVIATION)), gradient);
            parameter.clearGradient();
            return parameter;
        }
    }

    /** In the open scope. */
    CheckedMixture(Device device, MixtureCase sizes, boolean even) {
        torch.manual_seed(SEED);
        this.sizes = sizes;
        long linear = (long) sizes.width() * sizes.inner();
        long both = (long) sizes.width() + sizes.inner();
        long routed = (long) sizes.experts() * sizes.width();
        this.weights = new Flat(device, 3L * sizes.experts() * linear + routed + GAP);
        this.adapters = new Flat(device, Math.max(1, 3L * sizes.experts() * sizes.rank() * both));
        List<GatedFeedForward> experts = IntStream.range(0, sizes.experts())
                .mapToObj(number -> {
                    weights.taken += number == 1 && !even ? GAP : 0;
                    return expert("expert " + number);
                })
                .toList();
        Parameter router = parameter(weights, "router", sizes.experts(), sizes.width());
        if (sizes.sole()) {
            router.value().zero_().select(0, 1).fill_(Scalars.of(1));
        }
        this.mixture = new MixtureOfExperts(new Linear(router, null), experts, sizes.chosen(), true);
    }

    private GatedFeedForward expert(String name) {
        return new GatedFeedForward(
                new SideBySide(
                        linear(name + " gate", sizes.inner(), sizes.width()),
                        linear(name + " up", sizes.inner(), sizes.width())),
                linear(name + " down", sizes.width(), sizes.inner()),
                Activation.SILU);
    }

    private Linear linear(String name, long outputs, long inputs) {
        Parameter weight = parameter(weights, name, outputs, inputs);
        if (sizes.rank() == 0) {
            return new Linear(weight, null);
        }
        Parameter down = parameter(adapters, name + " A", sizes.rank(), inputs);
        Parameter up = parameter(adapters, name + " B", outputs, sizes.rank());
        return new Linear(weight, null, new LowRank(down, up, sizes.rank(), SCALE, 0));
    }

    private Parameter parameter(Flat flat, String name, long outputs, long inputs) {
        Parameter parameter = flat.next(name, outputs, inputs);
        parameters.add(parameter);
        return parameter;
    }

    /** What one forward and backward give. */
    record Pass(Tensor y, Tensor dx) {
        /** In every bit. */
        boolean isEqual(Pass other) {
            return y.equal(other.y) && dx.equal(other.dx);
        }
    }

    /** Adds to the gradients; in the open scope. */
    Pass pass(Tensor x, Tensor dy) {
        SequenceContext context = new SequenceContext(1, x.size(0), List.of(), null);
        try (TensorScope scope = new TensorScope();
                Tape tape = new Tape()) {
            Tensor y = scope.keep(mixture.forward(x, context, tape));
            return new Pass(y, scope.keep(mixture.backward(dy, x, context, tape)));
        }
    }

    List<Tensor> gradients() {
        return parameters.stream()
                .map(parameter -> Objects.requireNonNull(parameter.gradient()))
                .toList();
    }
}

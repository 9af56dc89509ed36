// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.chorale.model.layer.GradientCheck.random;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.ScopedTensors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Linears that are computed as one give what each gives by itself, wherever their weights lie. */
@ExtendWith(ScopedTensors.class)
final class SideBySideTest {
    private static final long ROWS = 10;
    private static final long INPUTS = 3;
    private static final long[] OUTPUTS = {4, 2, 2};
    private static final long OF_ALL = 8;

    /** The same linears twice: with weights of their own, and with weights that follow each other in memory. */
    private static final class Twins {
        final long rank; // of all adapters
        final List<Parameter> apart = new ArrayList<>();
        final List<Parameter> adjoining = new ArrayList<>();
        final Linear[] each = new Linear[OUTPUTS.length];
        final Linear[] merged = new Linear[OUTPUTS.length];

        /** @param ranks of the adapters; 0 for a linear without one */
        Twins(boolean trained, long... ranks) {
            this.rank = Arrays.stream(ranks).sum();
            Tensor values = random(OF_ALL, INPUTS);
            Tensor gradients = torch.zeros_like(values);
            long from = 0;
            for (int i = 0; i < OUTPUTS.length; i++) {
                Tensor value = values.narrow(0, from, OUTPUTS[i]);
                Tensor gradient = gradients.narrow(0, from, OUTPUTS[i]);
                from += OUTPUTS[i];
                LowRank[] adapters = {null, null};
                if (ranks[i] > 0) {
                    Tensor down = random(ranks[i], INPUTS);
                    Tensor up = random(OUTPUTS[i], ranks[i]);
                    adapters[0] = new LowRank(trained(apart, down), trained(apart, up), 1.5, 0);
                    adapters[1] = new LowRank(trained(adjoining, down), trained(adjoining, up), 1.5, 0);
                }
                Parameter alone = new Parameter("w" + i, value.clone(), trained ? torch.zeros_like(value) : null);
                Parameter part = new Parameter("w" + i, value, trained ? gradient : null);
                apart.add(alone);
                adjoining.add(part);
                each[i] = new Linear(alone, null, adapters[0]);
                merged[i] = new Linear(part, null, adapters[1]);
            }
        }

        private static Parameter trained(List<Parameter> parameters, Tensor value) {
            Parameter parameter = new Parameter("adapter", value.clone(), torch.zeros_like(value));
            parameters.add(parameter);
            return parameter;
        }

        void agree() {
            Tensor x = random(ROWS, INPUTS);
            Tensor dy = random(ROWS, OF_ALL);
            SideBySide one = new SideBySide(merged);
            Tensor y;
            Tensor dx;
            try (Tape tape = new Tape()) {
                y = one.forward(x, null, tape);
                assertThat(tape.bytes()).isEqualTo(ROWS * rank * Double.BYTES);
                dx = one.backward(dy, x, null, tape);
                assertThat(tape.bytes()).isZero();
            }
            Tensor dxSum = torch.zeros_like(x);
            long from = 0;
            for (int i = 0; i < OUTPUTS.length; i++) {
                assertClose(one.split(y)[i], each[i].forward(x));
                dxSum.add_(each[i].backward(dy.narrow(1, from, OUTPUTS[i]), x));
                from += OUTPUTS[i];
            }
            assertClose(dx, dxSum);
            gradientsAgree();
        }

        void gradientsAgree() {
            for (int i = 0; i < apart.size(); i++) {
                @Nullable Tensor gradient = apart.get(i).gradient();
                if (gradient != null) {
                    assertThat(gradient.abs().max().item_double()).isPositive();
                    assertClose(Objects.requireNonNull(adjoining.get(i).gradient()), gradient);
                }
            }
        }

        private static void assertClose(Tensor actual, Tensor expected) {
            assertThat(actual.sub(expected).abs().max().item_double()).isLessThan(1e-12);
        }
    }

    @Test
    void weightsThatFollowEachOtherAreOneProduct() {
        new Twins(true, 0, 0, 0).agree();
    }

    @Test
    void adaptersOfDifferentRanksShareTheInput() {
        new Twins(false, 2, 1, 3).agree();
        new Twins(true, 2, 1, 3).agree();
    }

    @Test
    void aLinearWithoutAnAdapterStandsBetweenAdaptedOnes() {
        new Twins(false, 2, 0, 1).agree();
    }

    @Test
    void weightsThatLieApartAreComputedOneByOne() {
        Twins twins = new Twins(true, 1, 0, 2);
        Tensor x = random(ROWS, INPUTS);
        Tensor dy = random(ROWS, OF_ALL);
        try (Tape apart = new Tape();
                Tape adjoining = new Tape()) {
            SideBySide each = new SideBySide(twins.each);
            SideBySide merged = new SideBySide(twins.merged);
            Twins.assertClose(each.forward(x, null, apart), merged.forward(x, null, adjoining));
            Twins.assertClose(each.backward(dy, x, null, apart), merged.backward(dy, x, null, adjoining));
            assertThat(apart.bytes()).isZero();
        }
        twins.gradientsAgree();
    }
}

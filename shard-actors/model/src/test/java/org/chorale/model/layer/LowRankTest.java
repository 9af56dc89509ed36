// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.chorale.model.layer.GradientCheck.random;

import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.tensor.Scalars;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** An adapted linear's backward is the derivative of its forward, and its dropout depends on nothing but its keys. */
@ExtendWith(ScopedTensors.class)
final class LowRankTest {
    private static final double SCALE = 1.5;

    private final GradientCheck check = new GradientCheck();

    @Test
    void anAdaptedLinearIsRight() {
        Linear linear = adapted(0);
        check.check(layer(linear, null), random(10, 3), in -> adaptedFormula(in, in[0]));
    }

    @Test
    void anAdaptedLinearThatDropsIsRight() {
        Linear linear = adapted(0.4);
        DropoutKeys keys = DropoutKeys.of(1, 2, new long[] {5, 6}, 5);
        Tensor mask = dropped(keys);
        assertThat(mask.eq(Scalars.of(0)).sum().item_long()).isBetween(1L, 29L);
        check.check(layer(linear, keys), random(10, 3), in -> adaptedFormula(in, in[0].mul(mask)));
    }

    @Test
    void whatAForwardSavesIsWhatABackwardWouldComputeAgain() {
        Linear linear = adapted(0.4);
        DropoutKeys keys = DropoutKeys.of(1, 2, new long[] {5, 6}, 5);
        check.check(
                new GradientCheck.Layer() {
                    @Override
                    public Tensor forward(Tensor x, Tape tape) {
                        tape.push(x);
                        return linear.forward(x, keys, tape);
                    }

                    @Override
                    public Tensor backward(Tensor dy, Tape tape) {
                        Tensor inner = tape.pop();
                        Tensor x = tape.pop();
                        assertThat(inner.equal(Objects.requireNonNull(linear.again(x, keys))
                                        .inner()))
                                .isTrue();
                        tape.push(inner);
                        return linear.backward(dy, x, keys, tape);
                    }
                },
                random(10, 3),
                in -> adaptedFormula(in, in[0].mul(dropped(keys))));
    }

    @Test
    void aFrozenBaseOnlyPassesTheGradientOn() {
        Tensor x = random(10, 3);
        Tensor dy = random(10, 4);
        Parameter weight = new Parameter("weight", random(4, 3), null);
        Parameter down = check.parameter("down", 2, 3);
        Parameter up = check.parameter("up", 4, 2);
        Tensor dx = new Linear(weight, null, new LowRank(down, up, 2, SCALE, 0)).backward(dy, x);
        Tensor merged = weight.value().add(up.value().mm(down.value()), Scalars.of(SCALE));
        assertThat(dx.sub(dy.mm(merged)).abs().max().item_double()).isLessThan(1e-12);
    }

    @Test
    void aSampleIsDroppedAlikeInEveryRowMicroBatchAndWidth() {
        Dropout dropout = new Dropout("layer", 0.3);
        Tensor together = dropout.apply(torch.ones(12, 64), DropoutKeys.of(7, 3, new long[] {20, 21, 22}, 4));
        Tensor alone = dropout.apply(torch.ones(4, 64), DropoutKeys.of(7, 3, new long[] {21}, 4));
        Tensor wider = dropout.apply(torch.ones(12, 64), DropoutKeys.of(7, 3, new long[] {22, 21}, 6));
        assertThat(together.narrow(0, 4, 4).equal(alone)).isTrue();
        assertThat(wider.narrow(0, 6, 4).equal(alone)).isTrue();
        assertThat(together.narrow(0, 0, 4).equal(alone)).isFalse();
    }

    @Test
    void anotherSeedStepSampleOrLayerDropsOthers() {
        Tensor ones = torch.ones(4, 64);
        Tensor first = new Dropout("layer", 0.5).apply(ones, DropoutKeys.of(7, 3, new long[] {20}, 4));
        assertThat(agreement(first, new Dropout("layer", 0.5).apply(ones, DropoutKeys.of(8, 3, new long[] {20}, 4))))
                .isCloseTo(0.5, within(0.15));
        assertThat(agreement(first, new Dropout("layer", 0.5).apply(ones, DropoutKeys.of(7, 4, new long[] {20}, 4))))
                .isCloseTo(0.5, within(0.15));
        assertThat(agreement(first, new Dropout("layer", 0.5).apply(ones, DropoutKeys.of(7, 3, new long[] {21}, 4))))
                .isCloseTo(0.5, within(0.15));
        assertThat(agreement(first, new Dropout("other", 0.5).apply(ones, DropoutKeys.of(7, 3, new long[] {20}, 4))))
                .isCloseTo(0.5, within(0.15));
    }

    @Test
    void asManyAreDroppedAsTheRateSaysInEveryRowAndColumn() {
        for (double rate : new double[] {0.05, 0.1, 0.5, 0.9}) {
            Tensor dropped = new Dropout("layer", rate)
                    .apply(torch.ones(512, 512), DropoutKeys.of(1, 1, new long[] {1, 2, 3, 4}, 128))
                    .eq(Scalars.of(0))
                    .to(ScalarType.Double);
            double deviation = Math.sqrt(rate * (1 - rate) / 512); // of a row's or a column's share
            assertThat(dropped.mean().item_double()).isCloseTo(rate, within(6 * deviation / Math.sqrt(512)));
            for (long dimension : new long[] {0, 1}) {
                Tensor shares = dropped.sum(dimension).div(Scalars.of(512));
                assertThat(shares.sub(Scalars.of(rate)).abs().max().item_double())
                        .isLessThan(6 * deviation);
                assertThat(shares.std().item_double()).isCloseTo(deviation, within(0.25 * deviation));
            }
        }
    }

    @Test
    void whatIsKeptMakesUpForWhatIsDropped() {
        Tensor kept = new Dropout("layer", 0.2).apply(torch.ones(64, 64), DropoutKeys.of(1, 1, new long[] {1}, 64));
        assertThat(kept.max().item_double()).isEqualTo(1.25);
        assertThat(kept.mean().item_double()).isCloseTo(1, within(0.05));
    }

    @Test
    void anEvaluationDropsNothing() {
        Tensor x = random(4, 3);
        assertThat(new Dropout("layer", 0.9).apply(x, null)).isSameAs(x);
    }

    private static Tensor dropped(DropoutKeys keys) {
        return new Dropout("down", 0.4).apply(torch.ones(10, 3).to(ScalarType.Double), keys);
    }

    private static double agreement(Tensor a, Tensor b) {
        return a.eq(b).to(ScalarType.Double).mean().item_double();
    }

    private Linear adapted(double rate) {
        Parameter weight = check.parameter("weight", 4, 3);
        Parameter bias = check.parameter("bias", 4);
        Parameter down = check.parameter("down", 2, 3);
        return new Linear(weight, bias, new LowRank(down, check.parameter("up", 4, 2), 2, SCALE, rate));
    }

    private static Tensor adaptedFormula(Tensor[] in, Tensor dropped) {
        Tensor lowRank = dropped.mm(in[3].t()).mm(in[4].t()).mul(Scalars.of(SCALE));
        return torch.addmm(in[2], in[0], in[1].t()).add(lowRank);
    }

    private static GradientCheck.Layer layer(Linear linear, @Nullable DropoutKeys keys) {
        return new GradientCheck.Layer() {
            @Override
            public Tensor forward(Tensor x, Tape tape) {
                tape.push(x);
                return linear.forward(x, keys);
            }

            @Override
            public Tensor backward(Tensor dy, Tape tape) {
                return linear.backward(dy, tape.pop(), keys);
            }
        };
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.preference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.pipeline.LossOutput.Mean;
import org.chorale.training.preference.DpoLoss.Variant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The formulas, against figures that were worked out apart from this code. */
final class PreferenceLossTest {
    private static final double[] POLICY = {-10, -12, -8, -7}; // two pairs, the chosen answer of each first
    private static final double[] REFERENCE = {-11, -11.5, -8.5, -8};
    private static final double[] TOKENS = {4, 5, 2, 4};

    static Stream<Arguments> pairLosses() {
        return Stream.of(
                Arguments.of(new DpoLoss(Variant.SIGMOID, 0.5, 0, false), 1.2128104259937433),
                Arguments.of(new DpoLoss(Variant.SIGMOID, 0.5, 0.1, false), 1.2628104259937434),
                Arguments.of(new DpoLoss(Variant.HINGE, 0.5, 0, false), 1.5),
                Arguments.of(new DpoLoss(Variant.IPO, 0.5, 0, false), 1.4225),
                Arguments.of(new OrpoLoss(0.25), 7.314190491375645));
    }

    @ParameterizedTest
    @MethodSource("pairLosses")
    void aLossOverPairsIsWhatTheFormulaGives(PairLoss loss, double expected) {
        try (TensorScope scope = new TensorScope()) {
            Judgement judged = judge(loss, POLICY, TOKENS, 2);
            assertThat(judged.output().terms()).hasSize(1);
            assertThat(judged.output().terms().get(0).weight()).isEqualTo(2);
            assertThat(sum(judged)).isCloseTo(expected, within(1e-12));
        }
    }

    @ParameterizedTest
    @MethodSource("pairLosses")
    void itsGradientIsThatOfFiniteDifferences(PairLoss loss) {
        try (TensorScope scope = new TensorScope()) {
            double[] gradient = values(judge(loss, POLICY, TOKENS, 2).gradient());
            agree(gradient, POLICY, policy -> sum(judge(loss, policy, TOKENS, 2)));
        }
    }

    @ParameterizedTest
    @MethodSource("pairLosses")
    void aPairWithAnEmptyAnswerCountsForNothing(PairLoss loss) {
        try (TensorScope scope = new TensorScope()) {
            double[] policy = {-10, -12, -8, 0};
            Judgement judged = judge(loss, policy, new double[] {4, 5, 2, 0}, 1);
            Judgement first = loss.judge(pairs(-10, -12), pairs(-11, -11.5), pairs(4, 5), 1);
            assertThat(sum(judged)).isEqualTo(sum(first));
            double[] gradient = values(judged.gradient());
            assertThat(gradient).startsWith(values(first.gradient()));
            assertThat(Math.abs(gradient[2]) + Math.abs(gradient[3])).isZero();
            judged.output()
                    .metrics()
                    .forEach((name, mean) -> assertThat(mean.sum().item_double())
                            .as(name)
                            .isEqualTo(metric(first, name).sum().item_double()));
        }
    }

    @Test
    void rewardsAreWhatTheAnswersHaveGainedOnTheReference() {
        try (TensorScope scope = new TensorScope()) {
            Judgement judged = judge(new DpoLoss(Variant.SIGMOID, 0.5, 0, false), POLICY, TOKENS, 2);
            assertThat(mean(judged, "rewards.chosen")).isEqualTo(0.5 * (1 + 0.5) / 2);
            assertThat(mean(judged, "rewards.rejected")).isEqualTo(0.5 * (-0.5 + 1) / 2);
            assertThat(mean(judged, "rewards.margin")).isEqualTo(0.5 * (1.5 - 0.5) / 2);
            assertThat(mean(judged, "rewards.accuracy")).isEqualTo(0.5);
            assertThat(mean(judged, "logps.chosen")).isEqualTo(-9);
            assertThat(mean(judged, "logps.rejected")).isEqualTo(-9.5);
        }
    }

    @Test
    void certainAnswersHaveFiniteOddsAndGradients() {
        try (TensorScope scope = new TensorScope()) {
            Judgement judged = judge(new OrpoLoss(0.1), new double[] {0, -700, -1e-9, 0}, TOKENS, 2);
            assertThat(sum(judged)).isFinite();
            for (double value : values(judged.gradient())) {
                assertThat(value).isFinite();
            }
        }
    }

    @Test
    void ratedAnswersAreHeldAgainstTheDivergence() {
        try (TensorScope scope = new TensorScope()) {
            Judgement judged = rate(new double[] {-10, -12, -8});
            assertThat(sum(judged)).isCloseTo(1.0832193953072489, within(1e-12));
            assertThat(judged.output().terms().get(0).weight()).isEqualTo(3);
            assertThat(mean(judged, "rewards.chosen")).isEqualTo(0.5);
            assertThat(mean(judged, "rewards.rejected")).isEqualTo(0);
            assertThat(mean(judged, "rewards.accuracy")).isCloseTo(2.0 / 3, within(1e-12));
            assertThat(mean(judged, "kl")).isCloseTo(0.3, within(1e-12));
        }
    }

    @Test
    void theGradientOfRatingsIsThatOfFiniteDifferences() {
        try (TensorScope scope = new TensorScope()) {
            double[] policy = {-10, -12, -8};
            agree(values(rate(policy).gradient()), policy, other -> sum(rate(other)));
        }
    }

    private static Judgement rate(double[] policy) {
        Tensor reference = vector(-11, -11.5, -8.5);
        KtoLoss.Answers answers = new KtoLoss.Answers(vector(policy), reference, vector(1, 0, 0), vector(0, 1, 1));
        return new KtoLoss(0.5, 1.5, 0.5).judge(answers, vector(0.3), 1, 2);
    }

    private static Judgement judge(PairLoss loss, double[] policy, double[] tokens, long counted) {
        return loss.judge(pairs(policy), pairs(REFERENCE), pairs(tokens), counted);
    }

    private static void agree(double[] gradient, double[] at, Function<double[], Double> loss) {
        double step = 1e-5;
        for (int i = 0; i < at.length; i++) {
            double[] more = at.clone();
            double[] less = at.clone();
            more[i] += step;
            less[i] -= step;
            double slope = (loss.apply(more) - loss.apply(less)) / (2 * step);
            assertThat(gradient[i]).as("answer " + i).isCloseTo(slope, within(1e-8));
        }
    }

    private static double sum(Judgement judged) {
        return judged.output().terms().get(0).sum().item_double();
    }

    private static double mean(Judgement judged, String metric) {
        Mean mean = metric(judged, metric);
        return mean.sum().item_double() / mean.weight();
    }

    private static Mean metric(Judgement judged, String name) {
        return Objects.requireNonNull(judged.output().metrics().get(name), name);
    }

    private static Tensor pairs(double... values) {
        return vector(values).view(-1, 2);
    }

    private static Tensor vector(double... values) {
        return Device.CPU.ofDoubles(values, values.length);
    }

    private static double[] values(Tensor tensor) {
        double[] values = new double[(int) tensor.numel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = tensor.contiguous().view(-1).select(0, i).item_double();
        }
        return values;
    }
}

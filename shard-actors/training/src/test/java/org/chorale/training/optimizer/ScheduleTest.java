// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Optional;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;
import org.chorale.training.optimizer.ScheduleConfig.Schedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Shares of the peak over 10 steps, 2 of them warm-up, from the formulas of Transformers' {@code
 * get_constant_schedule_with_warmup}, {@code get_linear_schedule_with_warmup}, {@code get_cosine_schedule_with_warmup},
 * {@code get_cosine_with_min_lr_schedule_with_warmup}, {@code get_polynomial_decay_schedule_with_warmup} and {@code
 * get_wsd_schedule}, and of torch's {@code StepLR}; n counts the steps done, u = (n − 2) / 8.
 */
final class ScheduleTest {
    private static final double PEAK = 0.5;

    @Test
    void constantStaysAtThePeak() {
        follows(config(Schedule.CONSTANT), 0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    }

    @Test
    void linearFallsToZero() { // 1 − u
        follows(config(Schedule.LINEAR), 0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0);
    }

    @Test
    void cosineFallsToZero() { // (1 + cos πu) / 2
        follows(
                config(Schedule.COSINE),
                0,
                0.5,
                1,
                0.9619397662556434,
                0.8535533905932737,
                0.6913417161825449,
                0.5,
                0.3086582838174551,
                0.14644660940672627,
                0.03806023374435663,
                0,
                0);
    }

    @Test
    void aFinalRatioIsWhereTheyEnd() { // 0.2 + 0.8 · the above
        follows(ended(Schedule.LINEAR, 0.2), 0, 0.5, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.2);
        follows(
                ended(Schedule.COSINE, 0.2),
                0,
                0.5,
                1,
                0.9695518130045147,
                0.8828427124746190,
                0.7530733729460360,
                0.6,
                0.4469266270539641,
                0.3171572875253810,
                0.2304481869954853,
                0.2,
                0.2);
    }

    @Test
    void polynomialFallsWithItsPower() { // 0.1 + 0.9 (1 − u)²
        ScheduleConfig config = new ScheduleConfig(
                Schedule.POLYNOMIAL,
                2,
                Optional.of(0.1),
                Optional.of(2.0),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
        follows(config, 0, 0.5, 1, 0.7890625, 0.60625, 0.4515625, 0.325, 0.2265625, 0.15625, 0.1140625, 0.1, 0.1);
    }

    @Test
    void stepIsCutAfterEveryFewSteps() { // 0.5 to the power of ⌊(n − 2) / 3⌋
        ScheduleConfig config = new ScheduleConfig(
                Schedule.STEP,
                2,
                Optional.empty(),
                Optional.empty(),
                Optional.of(3L),
                Optional.of(0.5),
                Optional.empty());
        follows(config, 0, 0.5, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125);
    }

    @Test
    void warmupStableDecayFallsOverItsLastShare() { // num_decay_steps = 4, linear
        ScheduleConfig config = new ScheduleConfig(
                Schedule.WARMUP_STABLE_DECAY,
                2,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.of(0.4));
        follows(config, 0, 0.5, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0);
    }

    @Test
    void aDecayThatWouldBeginInsideTheWarmUpBeginsAfterIt() {
        ScheduleConfig config = new ScheduleConfig(
                Schedule.WARMUP_STABLE_DECAY,
                2,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.of(1.0));
        follows(config, 0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            COSINE | power | optimizer.schedule-power = 2.0: optimizer.schedule = cosine does not read it, only polynomial does
            STEP   | power | optimizer.step-every is not set: optimizer.schedule = step needs it
            LINEAR | ratio | optimizer.final-ratio = 2.0: must be from 0 to 1
            STEP   | ratio | optimizer.final-ratio = 2.0: optimizer.schedule = step does not read it, only linear or cosine or polynomial or warmup-stable-decay does
            LINEAR | every | optimizer.step-every = 0: must be above 0
            LINEAR | warm  | optimizer.warmup-steps = -1: must be 0 or above
            """)
    void aKeyThatTheScheduleDoesNotReadOrThatIsOutOfRangeIsRefused(Schedule schedule, String set, String message) {
        assertThatThrownBy(() -> new ScheduleConfig(
                        schedule,
                        set.equals("warm") ? -1 : 0,
                        set.equals("ratio") ? Optional.of(2.0) : Optional.empty(),
                        set.equals("power") ? Optional.of(2.0) : Optional.empty(),
                        set.equals("every") ? Optional.of(0L) : Optional.empty(),
                        Optional.empty(),
                        Optional.empty()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    /** @param shares of the peak, from the first step to the second after the last */
    private static void follows(ScheduleConfig config, double... shares) {
        LearningRate rate = new LearningRate(config, PEAK, 10);
        double[] rates =
                LongStream.rangeClosed(1, shares.length).mapToDouble(rate::at).toArray();
        assertThat(rates)
                .containsExactly(
                        DoubleStream.of(shares).map(share -> share * PEAK).toArray(), within(1e-14));
    }

    private static ScheduleConfig config(Schedule schedule) {
        return new ScheduleConfig(
                schedule, 2, Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());
    }

    private static ScheduleConfig ended(Schedule schedule, double finalRatio) {
        return new ScheduleConfig(
                schedule,
                2,
                Optional.of(finalRatio),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }
}

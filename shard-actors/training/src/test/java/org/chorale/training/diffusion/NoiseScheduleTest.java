// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.typesafe.config.ConfigFactory;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class NoiseScheduleTest {
    private static final Offset<Double> EXACT = within(1e-15);

    @Test
    void aLinearScheduleIsWhatOneComputesByHand() {
        NoiseSchedule schedule = NoiseSchedule.linear(3, 0.1, 0.3);

        assertThat(schedule.betas()).containsExactly(new double[] {0.1, 0.2, 0.3}, EXACT);
        assertThat(schedule.alphas()).containsExactly(new double[] {0.9, 0.8, 0.7}, EXACT);
        assertThat(schedule.cumulativeAlphas()).containsExactly(new double[] {0.9, 0.72, 0.504}, EXACT);
        assertThat(NoiseSchedule.linear(1, 0.1, 0.3).betas()).containsExactly(0.1);
    }

    @Test
    void theCosinesCumulativeAlphasAreTheClosedForm() {
        int timesteps = 50;
        double[] alphas = NoiseSchedule.cosine(timesteps, 1).cumulativeAlphas();

        for (int t = 0; t < timesteps - 1; t++) { // the last β is held at 0.999
            assertThat(alphas[t]).isCloseTo(squaredCosine((t + 1.0) / timesteps) / squaredCosine(0), within(1e-14));
        }
        assertThat(alphas[timesteps - 1]).isCloseTo(alphas[timesteps - 2] * 0.001, within(1e-17));
    }

    @Test
    void theRescaleFactorMultipliesEachBetaByItsSquare() {
        double[] published = NoiseSchedule.cosine(4, 1).betas();
        double[] rescaled = NoiseSchedule.cosine(4, 0.5).betas();

        for (int t = 0; t < 4; t++) {
            assertThat(rescaled[t]).isCloseTo(published[t] / 4, EXACT);
        }
        assertThat(rescaled[3]).as("after the last is held at 0.999").isCloseTo(0.24975, EXACT);
    }

    /** Computed by the published formulas in Python's floats. */
    @ParameterizedTest
    @CsvSource({
        "1, 0, 0.0001, 0.9999",
        "1, 3, 0.0001, 0.9996000599960002",
        "1, 500, 0.003155691441585007, 0.49209598705882346",
        "1, 999, 0.999, 2.4278335309345934e-09",
        "0.5, 500, 0.0007889228603962517, 0.8349439809370256",
        "0.5, 999, 0.24975, 0.040202086712352925"
    })
    void aThousandTimestepsAreThoseOfDitty(double rescale, int t, double beta, double alpha) {
        NoiseSchedule schedule = NoiseSchedule.cosine(1000, rescale);

        assertThat(schedule.betas()[t]).isCloseTo(beta, within(1e-13));
        assertThat(schedule.cumulativeAlphas()[t]).isCloseTo(alpha, within(1e-13));
    }

    @Test
    void everyBetaIsHeldWithinBounds() {
        assertThat(NoiseSchedule.cosine(1000, 1).betas()[0])
                .as("0.00004 by the formula")
                .isEqualTo(1e-4);
        assertThat(NoiseSchedule.cosine(4, 10).betas()[3])
                .as("99.9 by the formula")
                .isEqualTo(0.9999);
    }

    @Test
    void whatIsWrongIsToldWithItsKey() {
        assertThatThrownBy(() -> NoiseSchedule.linear(0, 0.3, 0.1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("timesteps = 0: must be 1 to 100000; beta-start = 0.3 with beta-end = 0.1: must be above 0,"
                        + " below 1, and the end not below the start");
        assertThatThrownBy(() -> NoiseSchedule.cosine(5, Double.NaN)).hasMessageStartingWith("rescale = NaN: must be");
        assertThatThrownBy(() -> NoiseSchedule.linear(1000, 0.5, 0.5)).hasMessageContaining("leaves nothing");
        assertThatThrownBy(() -> read("type = sigmoid, timesteps = 5"))
                .hasMessage("type = sigmoid: must be linear or cosine");
        assertThatThrownBy(() -> read("type = linear, timesteps = 5, rescale = 0.5"))
                .hasMessage("there is no key rescale, there are beta-end, beta-start, timesteps, type");
        assertThatThrownBy(() -> read("type = cosine, timesteps = 5, beta-end = 0.5"))
                .hasMessage("there is no key beta-end, there are rescale, timesteps, type");
    }

    @Test
    void aScheduleIsReadFromWhatItWrites() {
        NoiseSchedule linear = read("type = linear, timesteps = 5, beta-end = 0.5");
        NoiseSchedule cosine = read("type = cosine, timesteps = 7, rescale = 0.5");

        assertThat(linear.betas()).isEqualTo(NoiseSchedule.linear(5, 1e-4, 0.5).betas());
        assertThat(NoiseSchedule.of(linear.config()).betas()).isEqualTo(linear.betas());
        assertThat(NoiseSchedule.of(cosine.config()).betas()).isEqualTo(cosine.betas());
    }

    private static NoiseSchedule read(String hocon) {
        return NoiseSchedule.of(ConfigFactory.parseString(hocon));
    }

    private static double squaredCosine(double share) {
        return Math.pow(Math.cos((share + 0.008) / 1.008 * Math.PI / 2), 2);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ProfileConfigTest {
    private static final Optional<Path> DIR = Optional.of(Path.of("runs/a"));

    @Test
    void everyRankHasAFileInTheRunDirectory() {
        assertThat(new ProfileConfig(3, DIR).file(17)).isEqualTo(Path.of("runs/a/profile/rank-00017.json"));
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 101})
    void moreThanAFileHoldsIsRefused(int steps) {
        assertThatThrownBy(() -> new ProfileConfig(steps, DIR))
                .hasMessage("run.profile-steps = " + steps + ": must be from 0 to 100");
    }

    @Test
    void aProfileNeedsARunDirectory() {
        assertThat(new ProfileConfig(0, Optional.empty()).isWanted()).isFalse();
        assertThatThrownBy(() -> new ProfileConfig(1, Optional.empty()))
                .hasMessage("run.dir = null: must be set where run.profile-steps is");
    }

    @Test
    void whatIsMissingIsToldWithTheKeyThatAskedForIt() {
        RuntimeException why = new IllegalStateException("CUPTI cannot be loaded");

        assertThat(new ProfileConfig(2, DIR).refused(why).fault())
                .satisfies(fault -> assertThat(fault.code()).isEqualTo(FaultCode.CONFIG_INVALID))
                .satisfies(fault -> assertThat(fault.message())
                        .isEqualTo(
                                "run.profile-steps = 2: CUPTI cannot be loaded; chorale doctor says what is missing"));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What needs no GPU; that the numbers are right is checked on one. */
final class DeviceMemoryTest {
    @Test
    void theCpuHasNoAllocatorThatCounts() {
        assertThatThrownBy(() -> DeviceMemory.of(Device.CPU)).hasMessageContaining("only a GPU");
        assertThatThrownBy(() -> DeviceMemory.resetPeaks(Device.CPU)).hasMessageContaining("only a GPU");
        assertThatThrownBy(() -> DeviceMemory.totalBytes(Device.CPU)).hasMessageContaining("only a GPU");
        assertThatThrownBy(() -> DeviceMemory.attainableBytes(Device.CPU)).hasMessageContaining("only a GPU");
        assertThatThrownBy(() -> DeviceMemory.setFraction(Device.CPU, 0.5)).hasMessageContaining("only a GPU");
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -1, 1.01, Double.NaN})
    void aShareOfTheMemoryIsAboveNothingAndAtMostAll(double fraction) {
        assertThatThrownBy(() -> DeviceMemory.setFraction(Device.cuda(0), fraction))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("not " + fraction);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.Test;

final class UploadCheckTest {
    @Test
    void theCheckRunsWithoutAGpuToo() {
        assertThat(UploadCheck.wrong(Device.CPU, 20)).isZero();
        assertThat(UploadCheck.wrongWeights(Device.CPU, 1_003)).isZero();
    }
}

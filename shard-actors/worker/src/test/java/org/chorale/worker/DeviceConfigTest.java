// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;
import org.chorale.worker.DeviceConfig.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DeviceConfigTest {
    @Test
    void autoTakesTheGpuOfTheSlotWhereThereIsOne() {
        DeviceConfig auto = config(Kind.AUTO);
        assertThat(auto.of(0, 1)).isEqualTo(Device.cuda(0));
        assertThat(auto.of(3, 4)).isEqualTo(Device.cuda(3));
        assertThat(auto.of(0, 0)).isEqualTo(Device.CPU);
    }

    @Test
    void theCpuIsTakenWhereItIsAskedFor() {
        assertThat(config(Kind.CPU).of(1, 8)).isEqualTo(Device.CPU);
    }

    @Test
    void aGpuThatIsMissingIsAnErrorAndNoReasonToUseTheCpu() {
        assertThatThrownBy(() -> config(Kind.CUDA).of(0, 0))
                .isInstanceOf(FaultException.class)
                .hasMessageContainingAll("parallel.device = cuda", "slot 0", "finds 0 GPU(s)");
        assertThatThrownBy(() -> config(Kind.AUTO).of(2, 2))
                .isInstanceOf(FaultException.class)
                .hasMessageContainingAll("parallel.device = auto", "slot 2", "finds 2 GPU(s)", "--slots");
    }

    @Test
    void workersThatShareGpusTakeThemInTurns() {
        DeviceConfig shared = config(Kind.CUDA_SHARED);
        assertThat(shared.of(0, 1)).isEqualTo(Device.cuda(0));
        assertThat(shared.of(3, 1)).isEqualTo(Device.cuda(0));
        assertThat(shared.of(3, 2)).isEqualTo(Device.cuda(1));
        assertThatThrownBy(() -> shared.of(0, 0))
                .isInstanceOf(FaultException.class)
                .hasMessageContainingAll("parallel.device = cuda-shared", "finds 0 GPU(s)", "a share of it");
    }

    @Test
    void severalWorkersOfAProcessTakeNoGpus() {
        assertThat(DeviceLink.ofShared(Device.CPU)).isEmpty();
        assertThatThrownBy(() -> DeviceLink.ofShared(Device.cuda(0)))
                .isInstanceOf(FaultException.class)
                .hasMessageContainingAll("parallel.isolation = process", "parallel.device = cpu");
    }

    @Test
    void theSlotIsThatOfThePlace() {
        assertThat(new WorkerPlace("10.0.0.7:2550/3", 1, "10.0.0.7").slot()).isEqualTo(3);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -0.5, 1.01, Double.NaN})
    void aShareOfMemoryIsAboveNothingAndAtMostAll(double fraction) {
        assertThatThrownBy(() -> new DeviceConfig(Kind.AUTO, fraction))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("parallel.memory-fraction = %s: must be above 0 and at most 1", fraction);
    }

    private static DeviceConfig config(Kind kind) {
        return new DeviceConfig(kind, 1);
    }
}

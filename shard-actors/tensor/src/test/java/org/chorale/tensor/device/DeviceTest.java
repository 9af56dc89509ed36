// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;

final class DeviceTest {
    @Test
    void theCpuMakesTensorsOfTheHost() {
        long before = NativeMemory.liveReferences();
        try (TensorScope scope = new TensorScope()) {
            Tensor numbers = Device.CPU.ofLongs(new long[] {3, 4, 5, 6}, 2, 2);
            assertThat(Device.of(numbers)).isEqualTo(Device.CPU).hasToString("cpu");
            assertThat(numbers.select(0, 1).select(0, 0).item_long()).isEqualTo(5);
            assertThat(Device.CPU.ofInts(new int[] {7, -9}, 2, 1).select(0, 1).item_int())
                    .isEqualTo(-9);
            assertThat(Device.CPU.zeros(ScalarType.BFloat16, 3).sum().item_float())
                    .isZero();
            assertThat(Device.CPU.ofDoubles(new double[] {0.5, 0.25}, 2).sum().item_double())
                    .isEqualTo(0.75);
            assertThat(Device.CPU.staging(ScalarType.Float, 8).is_pinned()).isFalse();
        }
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void whatIsOnTheCpuIsNotCopiedThere() {
        try (TensorScope scope = new TensorScope()) {
            Tensor host = HostTensors.zeros(ScalarType.Float, 2);
            assertThat(Device.CPU.copyOf(host)).isSameAs(host);
        }
    }

    @Test
    void whatADeviceIsCalledNamesIt() {
        for (Device device : List.of(Device.CPU, Device.cuda(0), Device.cuda(13))) {
            assertThat(Device.parse(device.toString())).isEqualTo(device);
        }
        assertThat(Device.parse("cuda")).isEqualTo(Device.cuda(0));
        for (String other : List.of("", "gpu", "cuda:", "cuda:-1", "cuda:128", "cpu:0")) {
            assertThatThrownBy(() -> Device.parse(other)).hasMessageContaining("must be cpu, cuda or cuda:N");
        }
    }

    @Test
    void gpusAreNumberedFromZero() {
        assertThat(Device.cuda(1)).hasToString("cuda:1").isEqualTo(new Device(1));
        assertThatThrownBy(() -> Device.cuda(-1)).hasMessageContaining("-1");
        assertThatThrownBy(() -> new Device(128)).hasMessageContaining("128");
    }
}

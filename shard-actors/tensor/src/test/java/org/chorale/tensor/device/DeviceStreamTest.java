// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import static org.assertj.core.api.Assertions.assertThat;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;

/** The CPU's single stream. Those of a GPU are for the check program to see. */
final class DeviceStreamTest {
    @Test
    void onTheCpuWorkIsDoneWhenItsCallReturns() {
        try (TensorScope scope = new TensorScope();
                DeviceStream stream = DeviceStream.pooled(Device.CPU)) {
            Tensor value = HostTensors.ofDoubles(new double[] {1}, 1);
            try (DeviceStream.Use using = stream.use()) {
                value.add_(value);
            }
            try (DeviceEvent added = stream.record()) {
                assertThat(added.isOver()).isTrue();
                stream.await(added);
            }
            assertThat(stream.isIdle()).isTrue();
            assertThat(stream.handle()).isNull();
            assertThat(value.item_double()).isEqualTo(2);
        }
    }

    @Test
    void aClosedStreamLeavesNothingBehind() {
        long before = NativeMemory.liveReferences();
        try (DeviceStream urgent = DeviceStream.urgent(Device.CPU);
                DeviceStream current = DeviceStream.current(Device.CPU);
                DeviceEvent event = current.record()) {
            urgent.await(event);
        }
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }
}

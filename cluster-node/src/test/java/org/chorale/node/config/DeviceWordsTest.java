// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.chorale.coordinator.plan.ParallelSettings;
import org.chorale.worker.DeviceConfig;
import org.junit.jupiter.api.Test;

/** The key {@code parallel.device} is read twice: by who grants slots, and by the worker in one. */
final class DeviceWordsTest {
    @Test
    void whatAWorkerCanComputeWithASlotCanBeGrantedFor() {
        assertThat(Stream.of(ParallelSettings.Device.values()).map(Enum::name))
                .containsExactlyElementsOf(
                        Stream.of(DeviceConfig.Kind.values()).map(Enum::name).toList());
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.CollectiveException;
import org.junit.jupiter.api.Test;

/** How values come to the host. On a GPU that is for the check program to see. */
final class HostCopyTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @Test
    void valuesOfTheHostAreThereAndOutliveTheirScope() {
        long before = NativeMemory.liveReferences();
        try (HostCopy copy = copyOf(2.5)) {
            assertThat(copy.isThere()).isTrue();
            assertThat(copy.await(Duration.ZERO).item_double()).isEqualTo(2.5);
            assertThat(copy.await(Duration.ZERO).item_double()).as("again").isEqualTo(2.5);
        }
        assertThat(NativeMemory.liveReferences()).isEqualTo(before);
    }

    @Test
    void aWaitEndsWhenTheValuesAreThere() {
        AtomicInteger asked = new AtomicInteger();
        try (TensorScope scope = new TensorScope();
                HostCopy copy = new HostCopy(new HeldTensors(), value(1), () -> asked.incrementAndGet() > 3)) {
            assertThat(copy.await(PATIENCE).item_double()).isEqualTo(1);
            assertThat(asked).hasValue(4);
        }
    }

    @Test
    void aDeviceThatHangsIsNotWaitedForForEver() {
        try (TensorScope scope = new TensorScope();
                HostCopy copy = new HostCopy(new HeldTensors(), value(1), () -> false)) {
            assertThatThrownBy(() -> copy.await(Duration.ofMillis(5)))
                    .isInstanceOf(DeviceTimeoutException.class)
                    .hasMessageContaining("within 0 s");
        }
    }

    @Test
    void valuesThatWereGivenUpAreNotBelievedThoughTheyAreThere() {
        AtomicInteger asked = new AtomicInteger();
        AtomicBoolean broken = new AtomicBoolean();
        Runnable check = () -> {
            if (broken.get()) {
                throw new CollectiveException("rank 1 is gone");
            }
        };
        try (TensorScope scope = new TensorScope();
                HostCopy copy = new HostCopy(new HeldTensors(), value(1), () -> {
                    broken.set(asked.incrementAndGet() > 3); // what it waited for was aborted, and so ended
                    return broken.get();
                })) {
            assertThatThrownBy(() -> copy.await(PATIENCE, check)).hasMessage("rank 1 is gone");
        }
    }

    @Test
    void aWaitEndsWhenWhatItWaitsForIsGivenUp() {
        try (TensorScope scope = new TensorScope();
                HostCopy copy = new HostCopy(new HeldTensors(), value(1), () -> false)) {
            assertThatThrownBy(() -> copy.await(PATIENCE, () -> {
                        throw new CollectiveException("rank 1 is gone");
                    }))
                    .hasMessage("rank 1 is gone");
        }
    }

    @Test
    void valuesThatWereInHostMemoryBeforeStayBelieved() {
        try (HostCopy copy = copyOf(2.5)) {
            Runnable check = () -> {
                throw new CollectiveException("rank 1 is gone");
            };
            assertThat(copy.await(Duration.ZERO, check).item_double()).isEqualTo(2.5);
        }
    }

    private static HostCopy copyOf(double value) {
        try (TensorScope scope = new TensorScope()) {
            return HostCopy.of(value(value));
        }
    }

    private static Tensor value(double value) {
        return HostTensors.ofDoubles(new double[] {value}, 1);
    }
}

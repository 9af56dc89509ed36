// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.pulse;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.Exchanger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
final class PulseTest {
    private final Exchanger<Runnable> work = new Exchanger<>();
    private final Thread thread = new Thread(this::work, "pulse-test-thread");

    @BeforeEach
    void begin() {
        thread.setDaemon(true);
        thread.start();
    }

    @AfterEach
    void end() {
        thread.interrupt();
    }

    @Test
    void aThreadThatComputesHasAPulseAndOneThatWaitsHasNone() throws InterruptedException {
        Pulse pulse = Pulse.of(thread);
        Pulse byName = Pulse.ofThreadsNamed("pulse-test");
        work.exchange(PulseTest::compute);
        work.exchange(() -> {}); // taken once the computing is done
        awaitRest();
        assertThat(pulse.beats()).isTrue();
        assertThat(byName.beats()).isTrue();

        assertThat(pulse.beats()).isFalse();
        assertThat(byName.beats()).isFalse();
    }

    @Test
    void aPulseIsFeltSeveralTimesBeforeTheRunWouldGiveUp() {
        assertThat(Pulse.interval(Duration.ofSeconds(1))).isEqualTo(Duration.ofMillis(250));
        assertThat(Pulse.interval(Duration.ofMinutes(30))).isEqualTo(Duration.ofSeconds(1));
    }

    /** Until the thread waits, and takes no more time. */
    private void awaitRest() {
        while (thread.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
    }

    private void work() {
        try {
            while (true) {
                work.exchange(() -> {}).run();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void compute() {
        long end = System.nanoTime() + Duration.ofMillis(50).toNanos();
        while (System.nanoTime() < end) {
            Thread.onSpinWait();
        }
    }
}

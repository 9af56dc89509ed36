// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.chorale.bench.RunEvents.Event;
import org.junit.jupiter.api.Test;

final class RunEventsTest {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    @Test
    void anEventIsFoundByItsKindAndNotBeforeItsMoment() throws IOException, InterruptedException {
        try (PipedOutputStream run = new PipedOutputStream()) {
            RunEvents events = new RunEvents(new PipedInputStream(run));
            say(run, "{\"event\":\"started\"}\n{\"event\":\"step\",\"step\":1}\n");
            Event first = events.await(Long.MIN_VALUE, event -> event.is("step"), LIMIT)
                    .orElseThrow();
            long later = System.nanoTime();
            say(run, "{\"event\":\"step\",\"step\":2}\n");
            Event second = events.await(later, event -> event.is("step"), LIMIT).orElseThrow();
            assertThat(first.json().get("step").asInt()).isEqualTo(1);
            assertThat(second.json().get("step").asInt()).isEqualTo(2);
            assertThat(events.all()).hasSize(3);
        }
    }

    @Test
    void nothingIsWaitedForOnceTheRunIsOver() throws InterruptedException {
        RunEvents events =
                new RunEvents(new ByteArrayInputStream("{\"event\":\"ended\"}\n".getBytes(StandardCharsets.UTF_8)));
        assertThat(events.await(Long.MIN_VALUE, event -> event.is("step"), LIMIT))
                .isEmpty();
    }

    @Test
    void aRunThatSaysNothingIsNotWaitedForForEver() throws IOException {
        try (PipedOutputStream run = new PipedOutputStream()) {
            RunEvents events = new RunEvents(new PipedInputStream(run));
            assertThatThrownBy(() -> events.await(0, event -> event.is("step"), Duration.ofMillis(20)))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    private static void say(PipedOutputStream run, String lines) throws IOException {
        run.write(lines.getBytes(StandardCharsets.UTF_8));
        run.flush();
    }
}

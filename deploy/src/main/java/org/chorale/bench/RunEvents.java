// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** What {@code chorale train --json} says, as it comes, each event with the moment at which it was read. */
final class RunEvents {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final List<Event> events = new ArrayList<>(); // guarded by this
    private boolean over;

    /** @param nanos as {@link System#nanoTime()} */
    record Event(JsonNode json, long nanos) {
        boolean is(String kind) {
            return json.path("event").asText().equals(kind);
        }

        long millisSince(long earlierNanos) {
            return TimeUnit.NANOSECONDS.toMillis(nanos - earlierNanos);
        }
    }

    /** Reads a process's output to its end, on a thread of its own. */
    RunEvents(InputStream output) {
        Thread reader = new Thread(() -> read(output), "events");
        reader.setDaemon(true);
        reader.start();
    }

    private void read(InputStream output) {
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(output, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                add(new Event(MAPPER.readTree(line), System.nanoTime()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            end();
        }
    }

    private synchronized void add(Event event) {
        events.add(event);
        notifyAll();
    }

    private synchronized void end() {
        over = true;
        notifyAll();
    }

    /**
     * Waits for the first event of a kind that is not older than a moment; nothing where the output ends before.
     *
     * @throws IllegalStateException where it takes longer than {@code limit}
     */
    synchronized Optional<Event> await(long sinceNanos, Predicate<Event> kind, Duration limit)
            throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        while (true) {
            Optional<Event> first = events.stream()
                    .filter(event -> event.nanos() >= sinceNanos)
                    .filter(kind)
                    .findFirst();
            if (first.isPresent() || over) {
                return first;
            }
            long millis = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (millis <= 0) {
                throw new IllegalStateException("the run has said nothing of what it should for " + limit);
            }
            wait(millis);
        }
    }

    /** So far. */
    synchronized List<Event> all() {
        return List.copyOf(events);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a launcher says with {@code --json}, each event with the moment at which it was read. */
final class TimedEvents {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Path output;
    private final List<Event> events = new ArrayList<>();
    private long position;
    private long furthestStep;

    /** @param nanos as {@link System#nanoTime()} */
    record Event(String kind, JsonNode json, long nanos) {}

    TimedEvents(Path output) {
        this.output = output;
    }

    /** Takes in the lines that are written to their end since. */
    void read() {
        try (RandomAccessFile file = new RandomAccessFile(output.toFile(), "r")) {
            byte[] news = new byte[(int) (file.length() - position)];
            file.seek(position);
            file.readFully(news);
            int end = news.length;
            while (end > 0 && news[end - 1] != '\n') {
                end--;
            }
            position += end;
            long now = System.nanoTime();
            new String(news, 0, end, StandardCharsets.UTF_8).lines().forEach(line -> take(line, now));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Lines of the log stand between the events. */
    private void take(String line, long now) {
        if (!line.startsWith("{")) {
            return;
        }
        try {
            JsonNode json = MAPPER.readTree(line);
            Event event = new Event(json.path("event").asText(), json, now);
            events.add(event);
            furthestStep = Math.max(
                    furthestStep, event.kind().equals("step") ? json.get("step").asLong() : 0);
        } catch (JsonProcessingException e) {
            throw new AssertionError("no event: " + line, e);
        }
    }

    /** The highest step that was ever recorded. */
    long furthestStep() {
        return furthestStep;
    }

    boolean have(String kind) {
        return first(kind, Long.MIN_VALUE).isPresent();
    }

    /** The first event of a kind that is not older than this. */
    Optional<Event> first(String kind, long sinceNanos) {
        return events.stream()
                .filter(event -> event.kind().equals(kind) && event.nanos() >= sinceNanos)
                .findFirst();
    }
}

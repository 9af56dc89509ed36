// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.chorale.bench.Intervals.Interval;
import org.chorale.tensor.profile.Lane.Kind;
import org.chorale.tensor.profile.Traffic;
import org.jspecify.annotations.Nullable;

/**
 * A timeline as it is read from its file.
 *
 * @param lost events that the recording had no room for
 */
record Trace(List<Event> events, long lost) {
    private static final JsonFactory JSON = new ObjectMapper().getFactory();

    /**
     * Something that took time, in microseconds.
     *
     * @param category the word of a {@link Kind}
     * @param traffic that a kernel has moved between ranks, or a call has asked for; null where there is none
     */
    record Event(
            String name,
            String category,
            double start,
            double length,
            @Nullable Traffic traffic) {
        Interval interval() {
            return new Interval(start, start + length);
        }

        boolean is(Kind kind) {
            return category.equals(kind.word());
        }
    }

    Trace {
        events = List.copyOf(events);
    }

    /** @throws IllegalArgumentException where the file is no trace, with what is amiss */
    static Trace read(Path file) throws IOException {
        List<Event> events = new ArrayList<>();
        long lost = 0;
        try (JsonParser json = JSON.createParser(file.toFile())) {
            require(json.nextToken() == JsonToken.START_OBJECT, file);
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String field = json.currentName();
                JsonToken value = json.nextToken();
                if (field.equals("traceEvents")) {
                    require(value == JsonToken.START_ARRAY, file);
                    readEvents(json, events);
                } else if (field.equals("otherData")) {
                    lost = json.<JsonNode>readValueAsTree().path("lost").asLong();
                } else {
                    json.skipChildren();
                }
            }
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "%s, line %d: is no JSON: %s"
                            .formatted(file, e.getLocation().getLineNr(), e.getOriginalMessage()),
                    e);
        }
        return new Trace(events, lost);
    }

    List<Event> of(Kind kind) {
        return events.stream().filter(event -> event.is(kind)).toList();
    }

    private static void readEvents(JsonParser json, List<Event> events) throws IOException {
        while (json.nextToken() != JsonToken.END_ARRAY) {
            JsonNode event = json.readValueAsTree();
            if (event.path("ph").asText().equals("X")) {
                events.add(new Event(
                        event.path("name").asText(),
                        event.path("cat").asText(),
                        event.path("ts").asDouble(),
                        event.path("dur").asDouble(),
                        traffic(event.path("args"))));
            }
        }
    }

    private static @Nullable Traffic traffic(JsonNode arguments) {
        return arguments.has("ranks")
                ? new Traffic(
                        arguments.path("group").asText(),
                        arguments.path("number").asLong(),
                        arguments.path("operation").asText(),
                        arguments.path("bytes").asLong(),
                        arguments.path("ranks").asInt())
                : null;
    }

    private static void require(boolean isTrace, Path file) {
        if (!isTrace) {
            throw new IllegalArgumentException(
                    file + " is no timeline: must be an object with traceEvents, as train --profile writes it");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.message.WorkerCommand.TakeShard;
import org.chorale.tensor.collective.Flight;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes down what a rank last did together with others, where one of these operations took suspiciously long: a file per
 * generation and rank in the run directory, a line of JSON per operation. Held against those of other ranks it shows who
 * did not come, or came with something else.
 */
final class FlightLog {
    /** Longer than any operation takes where all come, and than it takes to notice that one is gone. */
    private static final Duration SUSPICIOUS = Duration.ofSeconds(10);

    private static final Logger LOG = LoggerFactory.getLogger(FlightLog.class);

    private final Optional<Path> file;

    /** The key that says where: a run that was told no directory has no such files. */
    public record Run(Optional<String> dir) {}

    private FlightLog(Optional<Path> file) {
        this.file = file;
    }

    static FlightLog of(TakeShard order) {
        return new FlightLog(ConfigReader.read(order.runConf(), "run", Run.class)
                .dir()
                .map(dir -> Path.of(
                        dir, "flights", "generation-%d-rank-%d.jsonl".formatted(order.generation(), order.rank()))));
    }

    /**
     * Writes, where there is reason to.
     *
     * @param flights the oldest first
     * @param now where an operation stands that has not ended
     * @return the file; nothing where no operation took long, or it cannot be written, which matters less than what led
     *     here
     */
    Optional<Path> write(List<Flight> flights, Instant now) {
        if (file.isEmpty() || flights.stream().noneMatch(flight -> tookLong(flight, now))) {
            return Optional.empty();
        }
        try {
            Files.createDirectories(file.get().getParent());
            Files.write(
                    file.get(),
                    flights.stream().map(flight -> json(flight).toString()).toList());
            return file;
        } catch (IOException e) {
            LOG.warn("the record of the last operations cannot be written", e);
            return Optional.empty();
        }
    }

    private static boolean tookLong(Flight flight, Instant now) {
        Instant started = flight.started();
        Instant ended = flight.ended() == null ? now : flight.ended();
        return started != null && Duration.between(started, ended).compareTo(SUSPICIOUS) >= 0;
    }

    private static ObjectNode json(Flight flight) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("group", flight.group())
                .put("number", flight.number())
                .put("operation", flight.operation())
                .put("bytes", flight.bytes())
                .put("type", flight.type())
                .put("begun", flight.begun().toString())
                .put("started", text(flight.started()))
                .put("ended", text(flight.ended()));
    }

    private static @Nullable String text(@Nullable Instant moment) {
        return moment == null ? null : moment.toString();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A process, with its children, that trains, says so in a line of JSON per step, and is stopped while others have their turn. */
final class Contender implements AutoCloseable {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final long LIMIT_SECONDS = 120;

    /** Steps at the beginning of a block that do not count: the one that was cut short, and one to fill the buffers. */
    private static final int UNCOUNTED = 2;

    private final String name;
    private final Process process;
    private final BlockingQueue<Step> steps = new LinkedBlockingQueue<>();
    private final List<Double> losses = new ArrayList<>();

    private record Step(long tokens, double lossNats, long nanos) {}

    private Contender(String name, Process process) {
        this.name = name;
        this.process = process;
    }

    static Contender start(String name, ProcessBuilder builder) throws IOException {
        Contender contender = new Contender(
                name, builder.redirectError(ProcessBuilder.Redirect.INHERIT).start());
        Thread reader = new Thread(contender::read, "output-of-" + name);
        reader.setDaemon(true);
        reader.start();
        return contender;
    }

    private void read() {
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                long now = System.nanoTime();
                JsonNode event = MAPPER.readTree(line);
                if (event.path("event").asText().equals("step")) {
                    steps.add(new Step(
                            event.get("tokens").asLong(), event.get("loss").asDouble(), now));
                }
            }
        } catch (IOException e) {
            System.err.println(name + ": " + e);
        }
    }

    String name() {
        return name;
    }

    /** Runs the first steps, whose losses tell whether all contenders train the same. */
    List<Double> warmUp(int count) throws InterruptedException, IOException {
        while (losses.size() < count) {
            losses.add(next().lossNats());
        }
        signal("STOP");
        return losses;
    }

    /** Goes on for so many steps, and returns the tokens per second. */
    double block(int count) throws InterruptedException, IOException {
        steps.clear();
        signal("CONT");
        long begun = 0;
        for (int i = 0; i < UNCOUNTED; i++) {
            begun = next().nanos();
        }
        long tokens = 0;
        long ended = begun;
        for (int i = 0; i < count; i++) {
            Step step = next();
            tokens += step.tokens();
            ended = step.nanos();
        }
        signal("STOP");
        return tokens * 1e9 / (ended - begun);
    }

    private Step next() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        Step step = null;
        while (step == null && process.isAlive() && System.nanoTime() < deadline) {
            step = steps.poll(1, TimeUnit.SECONDS);
        }
        if (step == null) {
            throw new IllegalStateException("%s has ended, or made no step in %d s".formatted(name, LIMIT_SECONDS));
        }
        return step;
    }

    private void signal(String signal) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("kill", "-" + signal));
        Stream.concat(Stream.of(process.toHandle()), process.descendants())
                .forEach(member -> command.add(Long.toString(member.pid())));
        if (new ProcessBuilder(command).start().waitFor() != 0) {
            throw new IllegalStateException(name + " has ended");
        }
    }

    /** With its children, stopped or not. */
    @Override
    public void close() {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }
}

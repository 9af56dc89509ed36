// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.StreamSupport;
import org.chorale.bench.RunEvents.Event;

/** A run whose worker processes are killed with SIGKILL while they step, and what each kill costs. */
final class KilledRun implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofMinutes(3);

    /** Some steps of a small model, so that a kill comes at any moment of one. */
    private static final int MAX_DELAY_MICROS = 50_000;

    private final Process launcher;
    private final RunEvents events;
    private final Random random;

    /**
     * What a kill cost; milliseconds, and of what ranks report the longest.
     *
     * @param noticed until the run said that a worker is lost
     * @param regrouped from then on until all ranks had loaded, of which
     * @param left that it took a survivor to end what it had begun, its groups included
     * @param joined to form groups, once the fresh process was there too
     * @param loaded to read the model's parts back
     * @param firstStep until a step was recorded
     * @param survivors other processes, all of which
     * @param stayed are there still
     * @param reservedBytes the most that a rank's process has of its GPU once it has loaded; 0 on CPUs
     */
    record Kill(
            long noticed,
            long regrouped,
            long left,
            long joined,
            long loaded,
            long firstStep,
            int survivors,
            int stayed,
            long reservedBytes) {
        long all() {
            return noticed + regrouped + firstStep;
        }
    }

    private KilledRun(Process launcher, Random random) {
        this.launcher = launcher;
        this.random = random;
        this.events = new RunEvents(launcher.getInputStream());
    }

    /** @param train a command that says its events on its standard output */
    static KilledRun start(ProcessBuilder train, Random random) throws IOException {
        return new KilledRun(
                train.redirectError(ProcessBuilder.Redirect.INHERIT).start(), random);
    }

    /** Waits for a step, and kills a worker some time after it. */
    Kill kill(long step) throws InterruptedException {
        need(events.await(Long.MIN_VALUE, event -> step(event) >= step, LIMIT).isPresent(), "step " + step);
        LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(random.nextInt(MAX_DELAY_MICROS)));
        List<ProcessHandle> survivors = workers();
        ProcessHandle victim = survivors.remove(random.nextInt(survivors.size()));
        long killed = System.nanoTime();
        need(victim.destroyForcibly(), "a worker to kill");
        Event noticed = next(killed, "recovery");
        Event started = next(noticed.nanos(), "started");
        Event stepped = next(started.nanos(), "step");
        return new Kill(
                noticed.millisSince(killed),
                started.millisSince(noticed.nanos()),
                longest(started, "leave_seconds"),
                longest(started, "join_seconds"),
                longest(started, "load_seconds"),
                stepped.millisSince(started.nanos()),
                survivors.size(),
                (int) survivors.stream().filter(ProcessHandle::isAlive).count(),
                Math.round(largest(started, "reserved_bytes")));
    }

    private List<ProcessHandle> workers() {
        return new ArrayList<>(launcher.children()
                .sorted(Comparator.comparingLong(ProcessHandle::pid))
                .toList());
    }

    private Event next(long sinceNanos, String kind) throws InterruptedException {
        return events.await(sinceNanos, event -> event.is(kind), LIMIT)
                .orElseThrow(() -> new IllegalStateException("the run ended before it said: " + kind));
    }

    private static long step(Event event) {
        return event.is("step") ? event.json().get("step").asLong() : 0;
    }

    private static long longest(Event started, String seconds) {
        return Math.round(largest(started, seconds) * 1000);
    }

    /** Of all ranks. */
    private static double largest(Event started, String field) {
        return StreamSupport.stream(started.json().get("holdings").spliterator(), false)
                .mapToDouble(holding -> holding.get(field).asDouble())
                .max()
                .orElseThrow();
    }

    /** What the ranks compute with, as the run said at its start. */
    String devices() {
        return events.all().stream()
                .filter(event -> event.is("started"))
                .findFirst()
                .orElseThrow()
                .json()
                .get("holdings")
                .findValuesAsText("device")
                .toString();
    }

    /** Waits for the end, which must be a good one. */
    void finish() throws InterruptedException {
        need(launcher.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS), "the end");
        need(launcher.exitValue() == 0, "a good end");
    }

    private static void need(boolean held, String what) {
        if (!held) {
            throw new IllegalStateException("the run went on without " + what);
        }
    }

    @Override
    public void close() {
        launcher.descendants().forEach(ProcessHandle::destroyForcibly);
        launcher.destroyForcibly();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.chorale.node.process.TimedEvents.Event;

/** A run in processes whose workers are killed with SIGKILL, each kill once its moment has come. */
final class SweptRun implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofSeconds(90);
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final TinyRun run;
    private final ChildJvm launcher;
    private final TimedEvents events;
    private final Random random;
    private final List<Recovery> recoveries = new ArrayList<>();
    private int killed;

    /**
     * What a kill cost, in milliseconds.
     *
     * @param noticed until the run said that it had lost a worker; empty before its first step, where it just waits for
     *     another, and where it was recovering anyway
     * @param regrouped from then on until all ranks had loaded their parts
     * @param firstStep from then on until a step was recorded, or the run ended where none was left
     */
    record Recovery(
            WorkerKill kill, Optional<Long> noticed, Optional<Long> regrouped, Optional<Long> firstStep, long all) {}

    private SweptRun(TinyRun run, ChildJvm launcher, Random random) {
        this.run = run;
        this.launcher = launcher;
        this.events = new TimedEvents(launcher.outputFile());
        this.random = random;
    }

    static SweptRun start(TinyRun run, Random random) {
        return new SweptRun(run, ChildJvm.start(run, "--json"), random);
    }

    /** Returns once a step is recorded. */
    void awaitStep(int step) {
        assertThat(await(() -> events.furthestStep() >= step))
                .as(launcher::output)
                .isTrue();
    }

    ChildJvm launcher() {
        return launcher;
    }

    /** Kills in this order, and waits after each until the run goes on, unless the next kill is to disturb that. */
    void kill(List<WorkerKill> kills) {
        for (int i = 0; i < kills.size(); i++) {
            boolean disturbed = i + 1 < kills.size() && kills.get(i + 1).when() == WorkerKill.When.RECOVERY;
            kill(kills.get(i), disturbed);
        }
    }

    private void kill(WorkerKill kill, boolean disturbed) {
        if (!awaitMoment(kill)) {
            return; // the run was faster
        }
        boolean announced = events.have("started") && kill.when() != WorkerKill.When.RECOVERY;
        long now = System.nanoTime();
        killed += killWorkers(kill.victims());
        if (disturbed) {
            assertThat(await(() -> events.first("recovery", now).isPresent()))
                    .as(launcher::output)
                    .isTrue();
        } else {
            assertThat(await(() -> goesOn(now, announced))).as(launcher::output).isTrue();
            recoveries.add(recovery(kill, now));
        }
    }

    private int killWorkers(int victims) {
        List<ProcessHandle> workers = new ArrayList<>(launcher.workers());
        Collections.shuffle(workers, random);
        return (int) workers.stream()
                .limit(victims)
                .filter(ProcessHandle::destroyForcibly)
                .count();
    }

    /** Workers that were killed. */
    int killed() {
        return killed;
    }

    List<Recovery> recoveries() {
        return recoveries;
    }

    private boolean awaitMoment(WorkerKill kill) {
        boolean come = switch (kill.when()) {
            case START_UP -> await(() -> !launcher.workers().isEmpty());
            case STEP -> await(() -> events.furthestStep() >= kill.at());
            case CHECKPOINT -> await(() -> events.furthestStep() >= kill.at() && isWritingCheckpoint());
            case RECOVERY -> true;
            case EXPORT -> await(() -> Files.exists(run.dir().resolve("export")));
        };
        long from = System.nanoTime();
        return come && await(() -> System.nanoTime() - from >= TimeUnit.MILLISECONDS.toNanos(kill.millis()));
    }

    private boolean isWritingCheckpoint() {
        try (Stream<Path> folders = Files.list(run.dir().resolve("checkpoints"))) {
            return folders.anyMatch(folder -> folder.getFileName().toString().contains(".tmp-"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param announced whether the run says of this kill that it recovers */
    private boolean goesOn(long killed, boolean announced) {
        Optional<Event> noticed = events.first("recovery", killed);
        if (announced && noticed.isEmpty()) {
            return events.have("ended");
        }
        return next(noticed.map(Event::nanos).orElse(killed)).isPresent();
    }

    /** What shows that the run goes on in a new generation, or has ended. */
    private Optional<Event> next(long nanos) {
        return events.first("started", nanos)
                .flatMap(started -> events.first("step", started.nanos()))
                .or(() -> events.first("ended", nanos));
    }

    private Recovery recovery(WorkerKill kill, long killed) {
        Optional<Event> noticed = events.first("recovery", killed);
        long regrouping = noticed.map(Event::nanos).orElse(killed);
        Optional<Event> started = events.first("started", regrouping);
        Event next = next(regrouping).orElseThrow();
        return new Recovery(
                kill,
                noticed.map(event -> millis(killed, event.nanos())),
                started.map(event -> millis(regrouping, event.nanos())),
                started.map(event -> millis(event.nanos(), next.nanos())),
                millis(killed, next.nanos()));
    }

    private static long millis(long from, long until) {
        return TimeUnit.NANOSECONDS.toMillis(until - from);
    }

    /** Until this holds, or the run has ended before. */
    private boolean await(BooleanSupplier condition) {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            boolean alive = launcher.isAlive();
            events.read();
            if (condition.getAsBoolean()) {
                return true;
            } else if (!alive) {
                return false;
            }
            assertThat(System.nanoTime()).as("deadline; %s", launcher.output()).isLessThan(deadline);
            LockSupport.parkNanos(POLL_NANOS);
        }
    }

    /** Waits for the end, after which none of the run's processes may be left. */
    void finish() throws InterruptedException {
        assertThat(launcher.exitCode()).as(launcher::output).isZero();
        assertThat(launcher.family()).as("processes that are left").isEmpty();
    }

    @Override
    public void close() {
        launcher.close();
    }
}

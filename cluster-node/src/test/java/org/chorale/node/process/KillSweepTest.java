// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.chorale.node.process.SweptRun.Recovery;
import org.chorale.node.process.WorkerKill.When;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Kills workers with SIGKILL while their run goes on, and compares what it leaves with what a run in peace does. */
@Timeout(1200)
final class KillSweepTest {
    /** Another one each time, since the moments differ anyway; a failure names it, and {@code -Dchorale.seed} sets it. */
    private static final long SEED = Long.getLong("chorale.seed", System.nanoTime());

    private static final int MIN_KILLS = 50;
    private static final int RUNS = 4;
    private static final int STEPS = 120;
    private static final long MAX_MILLIS = 30_000;

    @TempDir
    Path folder;

    @Test
    void twoKilledWorkersCostARunTimeAndNothingElse() throws InterruptedException, IOException {
        TinyRun peaceful = run("peaceful", TinyRun.STEPS, 2, "parallel.isolation = in-process");
        try (ChildJvm jvm = ChildJvm.start(peaceful)) {
            assertThat(jvm.exitCode()).as(jvm::output).isZero();
        }
        TinyRun run = run("killed", TinyRun.STEPS, 2);
        Random random = new Random(SEED);
        List<WorkerKill> kills = List.of(
                new WorkerKill(When.STEP, 5 + random.nextInt(15), random.nextInt(40), 1),
                new WorkerKill(When.CHECKPOINT, 30 + random.nextInt(15), 0, 1));
        try (SweptRun swept = SweptRun.start(run, random)) {
            swept.awaitStep(2);
            everyProcessListensOnTheLoopbackAddressAlone(swept.launcher());
            swept.kill(kills);
            swept.finish();

            assertThat(swept.killed()).isEqualTo(kills.size());
            assertThat(swept.recoveries()).as(story(swept)).allMatch(recovery -> recovery.all() < MAX_MILLIS);
            assertThat(swept.launcher().output()).as("what the run says").contains("\"event\":\"recovery\"");
        }
        assertLeavesTheSame(run, peaceful, TinyRun.STEPS);
    }

    /** Launcher and workers: for Artery, and for the groups of ranks. */
    private static void everyProcessListensOnTheLoopbackAddressAlone(ChildJvm launcher) throws IOException {
        assertThat(launcher.family()).hasSize(3);
        for (long pid : launcher.family()) {
            assertThat(Listening.ofProcess(pid))
                    .as("process %d", pid)
                    .isNotEmpty()
                    .allMatch(address -> address.startsWith("127.0.0.1:"));
        }
    }

    @Test
    @Tag("full")
    void fiftyKilledWorkersCostRunsTimeAndNothingElse() throws InterruptedException {
        Random random = new Random(SEED);
        List<Recovery> recoveries = new ArrayList<>();
        int killed = 0;
        for (int workers = 2; workers <= 3; workers++) {
            TinyRun peaceful = run("peaceful-" + workers, STEPS, workers);
            try (SweptRun swept = SweptRun.start(peaceful, random)) {
                swept.finish();
            }
            for (int i = 0; i < RUNS / 2; i++) {
                TinyRun run = run("killed-%d-%d".formatted(workers, i), STEPS, workers);
                try (SweptRun swept = SweptRun.start(run, random)) {
                    swept.kill(WorkerKill.throughout(STEPS, random));
                    swept.finish();
                    killed += swept.killed();
                    recoveries.addAll(swept.recoveries());
                    System.out.print(story(swept));
                }
                assertLeavesTheSame(run, peaceful, STEPS);
            }
        }
        print(killed, recoveries);
        assertThat(killed).isGreaterThanOrEqualTo(MIN_KILLS);
        assertThat(recoveries).allMatch(recovery -> recovery.all() < MAX_MILLIS);
    }

    private TinyRun run(String name, int steps, int workers, String... lines) {
        List<String> all = new ArrayList<>(
                List.of("run.steps = " + steps, "checkpoint { every = 5, keep = 3 }", "parallel.workers = " + workers));
        all.addAll(List.of(lines));
        return TinyRun.in(folder, name, all.toArray(String[]::new));
    }

    private static void assertLeavesTheSame(TinyRun run, TinyRun peaceful, int steps) {
        String seed = "seed " + SEED;
        assertThat(run.stepsOf("step"))
                .as(seed)
                .isEqualTo(IntStream.rangeClosed(1, steps).boxed().toList());
        assertThat(run.metrics()).as(seed).isEqualTo(peaceful.metrics());
        assertThat(run.export()).as(seed).hasSameBinaryContentAs(peaceful.export());
        assertThat(run.checkpoints()).as(seed).isEqualTo(peaceful.checkpoints());
    }

    private static String story(SweptRun swept) {
        StringBuilder story = new StringBuilder("seed %d%n".formatted(SEED));
        swept.recoveries().forEach(recovery -> story.append("%s%n".formatted(recovery)));
        return story.toString();
    }

    private static void print(int killed, List<Recovery> recoveries) {
        System.out.printf(
                Locale.ROOT,
                """
                %d workers killed in %d runs, which recovered %d times

                | from a kill to the next step, ms | median | maximum |
                | --- | --- | --- |
                | noticed | %s |
                | regrouped | %s |
                | first step | %s |
                | all | %s |
                """,
                killed,
                RUNS,
                recoveries.size(),
                medianAndMaximum(recoveries, Recovery::noticed),
                medianAndMaximum(recoveries, Recovery::regrouped),
                medianAndMaximum(recoveries, Recovery::firstStep),
                medianAndMaximum(recoveries, recovery -> Optional.of(recovery.all())));
    }

    private static String medianAndMaximum(List<Recovery> recoveries, Function<Recovery, Optional<Long>> part) {
        List<Long> sorted = recoveries.stream()
                .flatMap(recovery -> part.apply(recovery).stream())
                .sorted(Comparator.naturalOrder())
                .toList();
        return "%d | %d".formatted(sorted.get(sorted.size() / 2), sorted.get(sorted.size() - 1));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Kills a run with SIGKILL again and again and compares what it leaves behind with what a run in peace does. */
@Timeout(600)
final class KillAndResumeTest {
    /** Another one each time, since the moments differ anyway; a failure names it, and {@code -Dchorale.seed} sets it. */
    private static final long SEED = Long.getLong("chorale.seed", System.nanoTime());

    private static final int SIGKILLED = 128 + 9;

    /** What a launcher has started notices its end at once, and halts. */
    private static final Duration UNTIL_NOTHING_IS_LEFT = Duration.ofSeconds(5);

    private static final int MIN_KILLS = 6;
    private static final int LINES = TinyRun.STEPS + TinyRun.EVALUATIONS;

    /** So much of its metrics is cut into stretches, in each of which the run is killed once. */
    private static final int STRETCHED_LINES = 44;

    private static final int STRETCHES = 4;
    private static final int MANY_STRETCHES = 8;
    private static final int MANY_KILLS = 10;

    private static final String UNCERTAINTY = """
            pipeline.loss { type = UncertaintyWeightedLoss, config.terms = [
              { type = CrossEntropyLoss }, { type = CrossEntropyLoss, weight = 0.5, config.label-smoothing = 0.1 }
            ] }
            """;

    /** A few steps take as long. */
    private static final int MAX_DELAY_MILLIS = 40;

    /** That of workers which are killed, or left behind, is told by another test. */
    private static final String IN_PROCESS = "parallel.isolation = in-process";

    @TempDir
    static Path folder;

    private static TinyRun peaceful;
    private static int startUpMillis;

    /** A moment of a start: {@code millis} after there are so many lines of metrics. */
    private record Moment(int lines, int millis) {}

    @BeforeAll
    static void runInPeace() throws InterruptedException {
        peaceful = TinyRun.in(folder, "peaceful", IN_PROCESS);
        long begun = System.nanoTime();
        try (ChildJvm jvm = ChildJvm.start(peaceful)) {
            jvm.awaitMetrics(1);
            startUpMillis = (int) TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun);
            assertThat(jvm.exitCode()).as(jvm::output).isZero();
        }
    }

    @Test
    void aRunInPeaceHasEveryStepAndEvaluationOnce() {
        assertThat(peaceful.stepsOf("step"))
                .isEqualTo(IntStream.rangeClosed(1, TinyRun.STEPS).boxed().toList());
        assertThat(peaceful.stepsOf("eval")).containsExactly(0, 20, 40, 60);
    }

    @Test
    void aRunThatIsKilledAgainAndAgainLeavesWhatARunInPeaceLeaves() throws InterruptedException {
        TinyRun run = TinyRun.in(folder, "killed", IN_PROCESS);
        List<String> kills = kill(run, moments(new Random(SEED), STRETCHES));
        assertThat(kills).as(story(kills)).hasSizeGreaterThanOrEqualTo(MIN_KILLS);
        finish(run, kills);

        assertLeavesTheSame(run, peaceful, kills);
    }

    /** The workers with it, whether they are starting, training or recovering. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    @Tag("full")
    void aRunOfManyWorkersWhoseLauncherIsKilledLeavesWhatOneInPeaceLeaves(int workers) throws InterruptedException {
        String[] lines = {"parallel.workers = " + workers};
        TinyRun whole = TinyRun.in(folder, "whole-of-" + workers, lines);
        finish(whole, List.of());
        TinyRun run = TinyRun.in(folder, "killed-of-" + workers, lines);
        List<String> kills = kill(run, moments(new Random(SEED), MANY_STRETCHES));
        assertThat(kills).as(story(kills)).hasSizeGreaterThanOrEqualTo(MANY_KILLS);
        finish(run, kills);

        assertLeavesTheSame(run, whole, kills);
    }

    /** Each time in another start. */
    private static List<String> kill(TinyRun run, List<Moment> moments) throws InterruptedException {
        List<String> kills = new ArrayList<>();
        for (Moment moment : moments) {
            try (ChildJvm jvm = ChildJvm.start(run)) {
                boolean alive = jvm.awaitMetrics(moment.lines()) && jvm.outlives(moment.millis());
                int exitCode = alive ? jvm.kill() : jvm.exitCode();
                assertThat(exitCode).as(() -> story(kills) + jvm.output()).isIn(SIGKILLED, 0);
                if (exitCode == SIGKILLED) {
                    kills.add("%s, with %d lines".formatted(moment, run.metricsLines()));
                }
                Processes.await(
                        story(kills) + "end of its workers",
                        UNTIL_NOTHING_IS_LEFT,
                        () -> jvm.family().isEmpty());
            }
        }
        return kills;
    }

    private static void assertLeavesTheSame(TinyRun run, TinyRun peaceful, List<String> kills) {
        assertThat(run.metrics()).as(story(kills)).isEqualTo(peaceful.metrics());
        assertThat(run.export()).as(story(kills)).hasSameBinaryContentAs(peaceful.export());
        assertThat(run.checkpoints()).as(story(kills)).isEqualTo(peaceful.checkpoints());
        assertThat(withoutGenerations(run)).as(story(kills)).isEqualTo(withoutGenerations(peaceful));
    }

    /** The squared normaliser makes gradients so large that the first scales of the loss overflow. */
    @Test
    void anAdapterInFp16GoesOnBitForBitAfterAKillAndItsLossScaleWithIt() throws InterruptedException {
        String[] lines = {
            IN_PROCESS,
            "precision = fp16, loss.z-loss = 3",
            "model.adapter { type = lora, rank = 4, alpha = 8, dropout = 0.1 }"
        };
        TinyRun whole = TinyRun.in(folder, "whole-adapter", lines);
        finish(whole, List.of());
        TinyRun killed = TinyRun.in(folder, "killed-adapter", lines);
        try (ChildJvm jvm = ChildJvm.start(killed)) {
            assertThat(jvm.awaitMetrics(TinyRun.STEPS / 3)).as(jvm::output).isTrue();
            assertThat(jvm.kill()).isEqualTo(SIGKILLED);
        }
        finish(killed, List.of());

        assertThat(killed.metrics()).isEqualTo(whole.metrics());
        String adapter = "export/adapter_model.safetensors";
        assertThat(killed.dir().resolve(adapter))
                .hasSameBinaryContentAs(whole.dir().resolve(adapter));
        List<JsonNode> steps = whole.metrics().stream()
                .filter(line -> line.get("kind").asText().equals("step"))
                .toList();
        double lastScale = steps.get(steps.size() - 1).get("loss_scale").asDouble();
        assertThat(steps.get(0).get("overflow").asBoolean()).isTrue();
        assertThat(steps.get(1).get("loss_scale").asDouble())
                .isEqualTo(steps.get(0).get("loss_scale").asDouble() / 2)
                .isGreaterThanOrEqualTo(lastScale);
        assertThat(steps.get(steps.size() - 1).get("grad_norm").isNumber()).isTrue();
    }

    @Test
    void whatALossHasLearnedIsInTheCheckpointsBitForBit() throws InterruptedException {
        TinyRun calm = TinyRun.in(folder, "calm-weighted", IN_PROCESS, UNCERTAINTY);
        TinyRun killed = TinyRun.in(folder, "killed-weighted", IN_PROCESS, UNCERTAINTY);
        finish(calm, List.of());
        try (ChildJvm jvm = ChildJvm.start(killed)) {
            assertThat(jvm.awaitMetrics(TinyRun.STEPS / 2)).as(jvm::output).isTrue();
            assertThat(jvm.kill()).isEqualTo(SIGKILLED);
        }
        finish(killed, List.of());

        assertThat(calm.metrics().get(1).toString()).contains("loss.CrossEntropyLoss_2");
        assertThat(killed.metrics()).isEqualTo(calm.metrics());
        assertThat(killed.export()).hasSameBinaryContentAs(calm.export());
        assertThat(lastCheckpoint(killed)).hasSameBinaryContentAs(lastCheckpoint(calm));
    }

    private static Path lastCheckpoint(TinyRun run) {
        List<String> checkpoints = run.checkpoints();
        return run.dir()
                .resolve("checkpoints")
                .resolve(checkpoints.get(checkpoints.size() - 1))
                .resolve("rank-00000.safetensors");
    }

    private static void finish(TinyRun run, List<String> kills) throws InterruptedException {
        try (ChildJvm jvm = ChildJvm.start(run)) {
            assertThat(jvm.exitCode()).as(() -> story(kills) + jvm.output()).isZero();
        }
    }

    /** In the first start-up and a later one, in each stretch of the metrics, and around the end, perhaps too late. */
    private static List<Moment> moments(Random random, int stretches) {
        List<Moment> moments = new ArrayList<>();
        moments.add(inStartUp(random));
        int stretchLines = STRETCHED_LINES / stretches;
        for (int stretch = 0; stretch < stretches; stretch++) {
            int lines = stretch * stretchLines + 1 + random.nextInt(stretchLines);
            moments.add(new Moment(lines, random.nextInt(MAX_DELAY_MILLIS)));
        }
        moments.add(1 + random.nextInt(stretches), inStartUp(random));
        moments.add(new Moment(LINES, random.nextInt(2 * MAX_DELAY_MILLIS)));
        return moments;
    }

    private static Moment inStartUp(Random random) {
        return new Moment(0, random.nextInt(startUpMillis));
    }

    private static String story(List<String> kills) {
        return "seed %d, killed %d times: %s%n".formatted(SEED, kills.size(), String.join("; ", kills));
    }

    /** Nothing half-written may be left: a run that was killed has the files of one in peace, but more generations. */
    private static List<String> withoutGenerations(TinyRun run) {
        return run.entries().stream()
                .filter(entry -> !entry.startsWith("generations/"))
                .toList();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A run that is asked to end finishes its step, writes a checkpoint, and can go on as if nobody had asked. */
@Timeout(180)
final class SignalTest {
    /** In the middle, and not where a checkpoint or an evaluation is due anyway. */
    private static final int LINES = 10;

    private static final Duration SOON = Duration.ofSeconds(5);

    @TempDir
    static Path folder;

    private static TinyRun peaceful;

    @BeforeAll
    static void runInPeace() throws InterruptedException {
        peaceful = TinyRun.in(folder, "peaceful");
        try (ChildJvm jvm = ChildJvm.start(peaceful)) {
            assertThat(jvm.exitCode()).as(jvm::output).isZero();
        }
    }

    @Test
    void aSecondSignalEndsTheRunAtOnce() throws IOException, InterruptedException {
        TinyRun run = TinyRun.in(folder, "twice", "data.generate.held-out-rows = 100000");
        try (ChildJvm jvm = ChildJvm.start(run)) {
            jvm.awaitOutput("starting: "); // what follows is an evaluation that takes a minute
            jvm.signal("INT");
            jvm.awaitOutput("stopping: ");
            jvm.signal("INT");

            assertThat(jvm.exitCode()).as(jvm::output).isEqualTo(130);
            assertThat(jvm.output())
                    .contains("ended at once: the last checkpoint stands")
                    .doesNotContain("evaluation at");
            Processes.await("end of the worker", SOON, () -> jvm.family().isEmpty());
        }
    }

    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143"})
    void aSignalEndsTheRunWithACheckpointFromWhichItGoesOn(String signal, int exitCode)
            throws IOException, InterruptedException {
        TinyRun run = TinyRun.in(folder, signal);
        try (ChildJvm jvm = ChildJvm.start(run)) {
            assertThat(jvm.awaitMetrics(LINES)).as(jvm::output).isTrue();
            jvm.signal(signal);

            assertThat(jvm.exitCode()).as(jvm::output).isEqualTo(exitCode);
            assertThat(jvm.output()).contains("stopping: finishing the step and writing a checkpoint");
            assertThat(jvm.family()).isEmpty();
        }
        List<Integer> steps = run.stepsOf("step");
        int reached = steps.get(steps.size() - 1);
        assertThat(reached).isBetween(LINES - 1, TinyRun.STEPS - 1);
        assertThat(run.checkpoints()).endsWith("step-%06d".formatted(reached));

        try (ChildJvm jvm = ChildJvm.start(run)) {
            assertThat(jvm.exitCode()).as(jvm::output).isZero();
            assertThat(jvm.output()).contains("going on after step " + reached);
        }
        assertThat(run.metrics()).isEqualTo(peaceful.metrics());
        assertThat(run.export()).hasSameBinaryContentAs(peaceful.export());
    }
}

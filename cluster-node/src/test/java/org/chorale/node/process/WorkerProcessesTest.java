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

/** Runs of a launcher and two workers, each in a process of its own, of which one or the other is killed. */
@Timeout(180)
final class WorkerProcessesTest {
    private static final String TWO_WORKERS = "parallel.workers = 2";
    private static final Duration SOON = Duration.ofSeconds(5);

    @TempDir
    static Path folder;

    private static TinyRun peaceful;

    @BeforeAll
    static void runInPeace() throws InterruptedException {
        peaceful = TinyRun.in(folder, "peaceful", TWO_WORKERS);
        try (ChildJvm jvm = ChildJvm.start(peaceful)) {
            assertThat(jvm.exitCode()).as(jvm::output).isZero();
            assertThat(jvm.output()).contains("starting on 2 workers");
            assertThat(jvm.family()).as("left behind").isEmpty();
        }
    }

    @Test
    void aRunThatFailsLeavesNoProcessBehind() throws InterruptedException {
        TinyRun run = TinyRun.in(
                folder, "failing", TWO_WORKERS, "optimizer.learning-rate = 1e30", "run.non-finite-steps = 1");
        try (ChildJvm jvm = ChildJvm.start(run)) {
            assertThat(jvm.exitCode()).as(jvm::output).isPositive();
            assertThat(jvm.output()).contains("starting on 2 workers", "error [NOT_FINITE]");
            assertThat(jvm.family()).as("left behind").isEmpty();
        }
    }

    @Test
    void aRunGoesOnAfterItsWorkersAreKilledAndLeavesWhatARunInPeaceLeaves() throws InterruptedException, IOException {
        TinyRun run = TinyRun.in(folder, "killed", TWO_WORKERS);
        try (ChildJvm jvm = ChildJvm.start(run)) {
            for (int lines : List.of(10, 30)) {
                assertThat(jvm.awaitMetrics(lines)).as(jvm::output).isTrue();
                Processes.signal(jvm.descendants().get(lines / 30).pid(), "KILL");
                jvm.awaitOutput("was lost after step");
            }
            assertThat(jvm.exitCode()).as(jvm::output).isZero();
            assertThat(jvm.output()).contains("was ended by signal 9; going on from step", "recoveries");
        }
        assertThat(run.metrics()).isEqualTo(peaceful.metrics());
        assertThat(run.export()).hasSameBinaryContentAs(peaceful.export());
        assertThat(run.checkpoints()).isEqualTo(peaceful.checkpoints());
    }

    @Test
    void nothingOutlivesALauncherThatIsKilledAndNothingListensBeyondThisMachine()
            throws InterruptedException, IOException {
        TinyRun run = TinyRun.in(folder, "orphaned", TWO_WORKERS);
        try (ChildJvm jvm = ChildJvm.start(run)) {
            assertThat(jvm.awaitMetrics(10)).as(jvm::output).isTrue();
            List<ProcessHandle> workers = jvm.descendants();
            assertThat(workers).hasSize(2);
            for (ProcessHandle worker : workers) {
                assertThat(Listening.ofProcess(worker.pid()))
                        .isNotEmpty()
                        .allMatch(socket -> socket.startsWith("127.0.0.1:"));
            }
            jvm.kill();

            Processes.await("end of the workers", SOON, () -> jvm.family().isEmpty());
        }
        try (ChildJvm jvm = ChildJvm.start(run)) {
            assertThat(jvm.exitCode()).as(jvm::output).isZero();
        }
        assertThat(run.metrics()).isEqualTo(peaceful.metrics());
    }
}

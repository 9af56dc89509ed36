// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.ManualTime;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.StillWorking;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CoordinatorTimeoutTest {
    private static final ActorTestKit KIT = ActorTestKit.create(Rehearsal.PATIENT.withFallback(ManualTime.config()));
    private static final ManualTime TIME = ManualTime.get(KIT.system());
    private static final String[] SETTINGS = {"run.steps = 4", "run.progress-timeout = 1 minute"};

    @TempDir
    Path dir;

    @AfterAll
    static void shutDown() {
        KIT.shutdownTestKit();
    }

    @Test
    void aRunThatNobodyJoinsEnds() {
        try (Rehearsal run = new Rehearsal(KIT, dir, SETTINGS)) {
            TIME.expectNoMessageFor(Duration.ofSeconds(59), run.listener);
            TIME.timePasses(Duration.ofSeconds(1));
            assertTimedOut(run, "a worker to join and a feeder to join");
        }
    }

    @Test
    void progressStartsTheWaitAnewAndTheStepThatDoesNotComeIsNamed() {
        try (Rehearsal run = new Rehearsal(KIT, dir, SETTINGS)) {
            run.prepare(0);
            run.ready(0);
            run.granted(0, 4);
            TIME.timePasses(Duration.ofSeconds(59));
            run.step(1);
            TIME.expectNoMessageFor(Duration.ofSeconds(59), run.listener);
            TIME.timePasses(Duration.ofSeconds(1));
            assertTimedOut(run, "step 2 of the span up to step 4 from rank 0, node/0 (host, cpu)");
        }
    }

    @Test
    void whoeverIsAtWorkIsWaitedForAsLongAsItTakes() {
        try (Rehearsal run = new Rehearsal(KIT, dir, SETTINGS)) {
            run.prepare(3);
            run.ready(0);
            run.worker.expectMessage(new WorkerCommand.Evaluate(run.generation(), 0));
            for (long examples = 0; examples < 3; examples++) {
                TIME.timePasses(Duration.ofSeconds(59));
                run.coordinator.tell(new CoordinatorCommand.StillWorking(run.generation(), examples));
                StillWorking working = run.listener.receiveMessage().getWorking();
                assertThat(working.getAwaited()).startsWith("the evaluation at step 0 from rank 0, node/0");
                assertThat(working.getDone()).isEqualTo(examples);
                assertThat(working.getTotal()).isEqualTo(3);
            }
            TIME.timePasses(Duration.ofMinutes(1));
            assertTimedOut(run, "the evaluation at step 0");
        }
    }

    @Test
    void newsOfAnotherGenerationIsNoProgress() {
        try (Rehearsal run = new Rehearsal(KIT, dir, SETTINGS)) {
            run.prepare(0);
            run.ready(0);
            run.granted(0, 4);
            TIME.timePasses(Duration.ofSeconds(59));
            run.coordinator.tell(new CoordinatorCommand.SpanDone(run.generation() + 1, 0, 4));
            run.coordinator.tell(new CoordinatorCommand.StillWorking(run.generation() - 1, 0));
            run.coordinator.tell(new CoordinatorCommand.WorkerJoined("node/0", 1, "other", "cpu", run.worker.ref()));
            TIME.timePasses(Duration.ofSeconds(1));
            assertTimedOut(run, "step 1 of the span up to step 4");
        }
    }

    private static void assertTimedOut(Rehearsal run, String awaited) {
        RunEnded ended = run.ended();
        assertThat(ended.getFaultCode()).isEqualTo("TIMED_OUT");
        assertThat(ended.getMessage()).contains("for 60 seconds").contains(awaited);
    }
}

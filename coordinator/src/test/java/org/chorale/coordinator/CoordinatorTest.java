// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.chorale.coordinator.directory.RunContents;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.directory.RunFixture;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEnded.Outcome;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.UnitOutline;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CoordinatorTest {
    private static final ActorTestKit KIT = ActorTestKit.create(Rehearsal.PATIENT);
    private static final String[] SHORT = {"run.steps = 4", "checkpoint.every = 2", "checkpoint.keep = 1"};

    /** Its number of parameters is beyond 64 bits. */
    private static final ModelOutline TOO_LARGE = Rehearsal.MODEL.toBuilder()
            .addUnits(UnitOutline.newBuilder()
                    .addParameters(ParameterOutline.newBuilder()
                            .setName("huge")
                            .addAllShape(List.of(Long.MAX_VALUE, 8L))
                            .setHeldDtype("F32")))
            .build();

    @TempDir
    Path dir;

    @AfterAll
    static void shutDown() {
        KIT.shutdownTestKit();
    }

    @Test
    void aWholeRunLeavesMetricsOneCheckpointAndAnExport() throws IOException {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            WorkerCommand.TakeShard order = run.prepare(3);
            assertThat(order.checkpoint()).isEmpty();
            assertThat(order.totalSteps()).isEqualTo(4);
            assertThat(order.plan().getWorldSize()).isEqualTo(1);
            assertThat(run.ready(0)).isZero();
            run.evaluate(0);
            run.granted(0, 2);
            run.step(1);
            run.step(2);
            run.spanDone(2);
            run.checkpoint(2);
            run.granted(2, 4);
            run.step(3);
            run.step(4);
            run.spanDone(4);
            run.evaluate(4);
            run.checkpoint(4);
            run.export(4);
            run.worker.expectMessage(new WorkerCommand.Dismiss());
            RunEnded ended = run.ended();
            assertThat(ended.getOutcome()).isEqualTo(Outcome.FINISHED);
            assertThat(ended.getStep()).isEqualTo(4);
            assertThat(Path.of(ended.getExportPath())).isEqualTo(dir.resolve("export"));
            assertThat(run.metrics()).containsExactly("eval 0", "step 1", "step 2", "step 3", "step 4", "eval 4");
        }
        RunContents contents = RunDirectory.read(dir);
        assertThat(contents.checkpoints().folders()).containsExactly(dir.resolve("checkpoints/step-000004"));
        assertThat(contents.checkpoints()
                        .newestWhole()
                        .checkpoint()
                        .orElseThrow()
                        .manifest()
                        .getChoraleVersion())
                .matches("\\d+\\.\\d+.*");
    }

    @Test
    void aKilledRunGoesOnFromItsCheckpointAndReplacesWhatCameLater() throws IOException {
        try (Rehearsal killed = new Rehearsal(KIT, dir, SHORT)) {
            toFirstCheckpoint(killed);
            killed.granted(2, 4);
            killed.step(3);
        }
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            assertThat(run.prepare(0).checkpoint())
                    .contains(dir.resolve("checkpoints/step-000002").toString());
            assertThat(run.generation()).isEqualTo(2);
            assertThat(run.ready(2)).isEqualTo(2);
            assertThat(run.metrics()).containsExactly("step 1", "step 2");
            secondHalf(run);
            assertThat(run.metrics()).containsExactly("step 1", "step 2", "step 3", "step 4");
        }
        try (Rehearsal again = new Rehearsal(KIT, dir, SHORT)) {
            again.describe(0);
            assertThat(again.ended().getOutcome()).isEqualTo(Outcome.FINISHED);
            again.worker.expectMessage(new WorkerCommand.Dismiss());
        }
    }

    @Test
    void aRunThatWasKilledBeforeAnyCheckpointStartsAnew() throws IOException {
        try (Rehearsal killed = new Rehearsal(KIT, dir, SHORT)) {
            killed.prepare(3);
            killed.ready(0);
            killed.evaluate(0);
            killed.granted(0, 2);
            killed.step(1);
        }
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            assertThat(run.prepare(3).checkpoint()).isEmpty();
            run.ready(0);
            run.evaluate(0);
            run.granted(0, 2);
            assertThat(run.metrics()).containsExactly("eval 0");
        }
    }

    @Test
    void aRunThatFellBackToAnOlderCheckpointMakesItsExportAgain() throws IOException {
        String[] keepTwo = {"run.steps = 4", "checkpoint.every = 2", "checkpoint.keep = 2"};
        try (Rehearsal run = new Rehearsal(KIT, dir, keepTwo)) {
            toFirstCheckpoint(run);
            secondHalf(run);
        }
        Files.writeString(dir.resolve("export/of-the-lost-checkpoint"), "");
        Files.writeString(dir.resolve("checkpoints/step-000004/rank-00000.safetensors"), "torn");
        try (Rehearsal run = new Rehearsal(KIT, dir, keepTwo)) {
            run.prepare(0);
            run.ready(2);
            secondHalf(run);
            assertThat(run.metrics()).containsExactly("step 1", "step 2", "step 3", "step 4");
        }
        assertThat(dir.resolve("export/of-the-lost-checkpoint")).doesNotExist();
        assertThat(RunDirectory.read(dir).checkpoints().newestWhole().defects()).isEmpty();
    }

    @Test
    void aFinishedRunWhoseExportIsNotWholeMakesItAgain() throws IOException {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            toFirstCheckpoint(run);
            secondHalf(run);
        }
        Files.delete(dir.resolve("export/model.safetensors"));
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            run.prepare(0);
            run.ready(4);
            run.export(4);
            assertThat(run.ended().getOutcome()).isEqualTo(Outcome.FINISHED);
        }
    }

    @Test
    void aRunDoesNotGoOnWithAnotherConfigurationOfTheModel() throws IOException {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            toFirstCheckpoint(run);
        }
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            run.describe(0, Rehearsal.MODEL.toBuilder().setConfigSha256("other").build());
            RunEnded ended = run.ended();
            assertThat(ended.getFaultCode()).isEqualTo("MODEL_MISMATCH");
            assertThat(ended.getMessage()).contains("model.path/config.json");
        }
    }

    @Test
    void aStopFinishesTheStepInHandAndLeavesACheckpoint() throws IOException {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            run.prepare(0);
            run.ready(0);
            run.granted(0, 2);
            run.coordinator.tell(new CoordinatorCommand.StopRun("interrupted"));
            run.worker.expectMessage(new WorkerCommand.StopSpan(run.generation()));
            run.step(1);
            run.spanDone(1);
            run.checkpoint(1);
            RunEnded ended = run.ended();
            assertThat(ended.getOutcome()).isEqualTo(Outcome.STOPPED);
            assertThat(ended.getMessage()).isEqualTo("interrupted");
            assertThat(ended.getStep()).isEqualTo(1);
        }
        assertThat(dir.resolve("checkpoints/step-000001/manifest.pb")).isRegularFile();
    }

    @Test
    void aFailedWorkerEndsTheRunAndLeavesItsDirectoryUsable() throws IOException {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            toFirstCheckpoint(run);
            run.granted(2, 4);
            Fault fault = new Fault(FaultCode.OUT_OF_MEMORY, "the device lacks 2 GB");
            run.coordinator.tell(new CoordinatorCommand.WorkerFailed(run.generation(), 0, fault));
            RunEnded ended = run.ended();
            assertThat(ended.getOutcome()).isEqualTo(Outcome.FAILED);
            assertThat(ended.getFaultCode()).isEqualTo("OUT_OF_MEMORY");
            assertThat(ended.getMessage()).isEqualTo("the device lacks 2 GB");
            assertThat(ended.getExportPath()).isEmpty();
        }
        try (Rehearsal next = new Rehearsal(KIT, dir, SHORT)) {
            assertThat(next.prepare(0).checkpoint()).isPresent();
        }
    }

    @Test
    void aWorkerOfThisProcessThatIsGoneEndsTheRun() {
        try (Rehearsal run = new Rehearsal(KIT, dir, "parallel.isolation = in-process")) {
            run.prepare(0);
            run.worker.stop();
            RunEnded ended = run.listener.receiveMessage().getEnded();
            assertThat(ended.getFaultCode()).isEqualTo("WORKER_LOST");
            assertThat(ended.getMessage()).contains("to be loaded by rank 0, node/0 (host, cpu)");
        }
    }

    @Test
    void aBrokenFeedEndsTheRun() {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            run.prepare(0);
            Fault fault = new Fault(FaultCode.DATA_MALFORMED, "train.jsonl line 7");
            run.coordinator.tell(new CoordinatorCommand.FeedFailed(run.generation(), fault));
            assertThat(run.ended().getFaultCode()).isEqualTo("DATA_MALFORMED");
        }
    }

    @Test
    void aCheckpointThatIsNotWhatTheWorkerSaidEndsTheRunAsAStorageFault() throws IOException {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            run.prepare(0);
            run.ready(0);
            run.granted(0, 2);
            run.step(1);
            run.step(2);
            run.spanDone(2);
            WorkerCommand.WriteShard write = run.checkpointOrdered(2);
            ShardFile file = RunFixture.shard(Path.of(write.folder()), "weights");
            Files.delete(Path.of(write.folder(), file.getName()));
            run.coordinator.tell(new CoordinatorCommand.ShardWritten(run.generation(), 0, 2, file));
            RunEnded ended = run.ended();
            assertThat(ended.getFaultCode()).isEqualTo("STORAGE_FAILED");
            assertThat(ended.getMessage()).contains(file.getName() + " is missing");
        }
    }

    @Test
    void checkpointsOfWhichNoneIsWholeEndTheRunWithEveryDefect() throws IOException {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            toFirstCheckpoint(run);
        }
        Files.delete(dir.resolve("checkpoints/step-000002/rank-00000.safetensors"));
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            run.join();
            RunEnded ended = run.ended();
            assertThat(ended.getFaultCode()).isEqualTo("CHECKPOINT_CORRUPT");
            assertThat(ended.getMessage()).contains("rank-00000.safetensors is missing");
        }
    }

    @Test
    void aModelThatCannotBePlannedEndsTheRunAsABugAndNotInSilence() {
        try (Rehearsal run = new Rehearsal(KIT, dir, "run.epochs = 3")) {
            run.join();
            WorkerCommand.DescribeModel model = run.worker.expectMessageClass(WorkerCommand.DescribeModel.class);
            run.coordinator.tell(
                    new CoordinatorCommand.DataDescribed(model.generation(), 0, 100, 50, 0, 0, 1, "digest"));
            run.coordinator.tell(new CoordinatorCommand.ModelDescribed(model.generation(), TOO_LARGE));
            assertThat(run.ended().getFaultCode()).isEqualTo("INTERNAL");
        }
    }

    @Test
    void theBestCheckpointIsKeptToldAndExported() throws IOException {
        String[] best = {
            "run.steps = 4",
            "evaluation.every = 1",
            "checkpoint { every = 1, keep = 1, keep-best = true, export = best }"
        };
        try (Rehearsal run = new Rehearsal(KIT, dir, best)) {
            run.prepare(3);
            run.ready(0);
            assertThat(run.evaluate(0, 1)).as("the untrained model").isFalse();
            for (long step = 1; step <= 3; step++) {
                oneStep(run, step, step == 2 ? 5 : 6.0 + step);
            }
        }
        assertThat(RunDirectory.read(dir).checkpoints().folders())
                .containsExactly(dir.resolve("checkpoints/step-000003"), dir.resolve("checkpoints/step-000002"));
        try (Rehearsal run = new Rehearsal(KIT, dir, best)) {
            run.prepare(3);
            run.ready(3);
            oneStep(run, 4, 5.5);
            assertThat(run.export(2)).isEqualTo(dir.resolve("checkpoints/step-000002"));
            RunEnded ended = run.ended();
            assertThat(ended.getOutcome()).isEqualTo(Outcome.FINISHED);
            assertThat(ended.getStep()).isEqualTo(4);
            assertThat(ended.getBest().getStep()).isEqualTo(2);
            assertThat(ended.getBest().getLossNats()).isEqualTo(5);
            assertThat(ended.getBestPath())
                    .isEqualTo(dir.resolve("checkpoints/step-000002").toString());
        }
    }

    @Test
    void aBestCheckpointThatIsDamagedIsNotExported() throws IOException {
        String[] best = {"run.steps = 2", "evaluation.every = 1", "checkpoint { keep-best = true, export = best }"};
        try (Rehearsal run = new Rehearsal(KIT, dir, best)) {
            run.prepare(3);
            run.ready(0);
            run.evaluate(0, 1);
            oneStep(run, 1, 2);
            Files.writeString(dir.resolve("checkpoints/step-000001/rank-00000.safetensors"), "torn");
            oneStep(run, 2, 3);
            RunEnded ended = run.ended();
            assertThat(ended.getFaultCode()).isEqualTo("CHECKPOINT_CORRUPT");
            assertThat(ended.getMessage()).contains("step-000001/rank-00000.safetensors has 4 bytes");
        }
    }

    @Test
    void aBestOneWhoseCheckpointIsLostNeedNotBeBeaten() throws IOException {
        String[] best = {"run.steps = 3", "evaluation.every = 1", "checkpoint { every = 1, keep-best = true }"};
        try (Rehearsal run = new Rehearsal(KIT, dir, best)) {
            run.prepare(3);
            run.ready(0);
            run.evaluate(0, 1);
            oneStep(run, 1, 2);
            oneStep(run, 2, 4);
        }
        Path lost = dir.resolve("checkpoints/step-000001");
        Files.delete(lost.resolve("manifest.pb"));
        Files.delete(lost.resolve("rank-00000.safetensors"));
        Files.delete(lost);
        try (Rehearsal run = new Rehearsal(KIT, dir, best)) {
            run.prepare(3);
            run.ready(2);
            run.granted(2, 3);
            run.step(3);
            run.spanDone(3);
            assertThat(run.evaluate(3, 3))
                    .as("the best of those that there are")
                    .isTrue();
        }
    }

    @Test
    void aCheckpointThatTheDiskHasNoRoomForEndsTheRunBeforeItIsWritten() throws IOException {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            run.prepare(0);
            run.readyForCheckpointsOf(Long.MAX_VALUE);
            run.granted(0, 2);
            run.step(1);
            run.step(2);
            run.spanDone(2);
            RunEnded ended = run.ended();
            assertThat(ended.getFaultCode()).isEqualTo("STORAGE_FAILED");
            assertThat(ended.getMessage()).contains("a checkpoint takes 9,223,372,036,854,775,807 bytes");
            run.worker.expectMessage(new WorkerCommand.Dismiss());
        }
        assertThat(dir.resolve("checkpoints")).isEmptyDirectory();
    }

    @Test
    void whatIsWrongWithModelAndDataIsToldTogether() {
        try (Rehearsal run = new Rehearsal(KIT, dir, SHORT)) {
            run.join();
            long generation = run.worker
                    .expectMessageClass(WorkerCommand.DescribeModel.class)
                    .generation();
            Fault data = new Fault(FaultCode.DATA_MALFORMED, "train.jsonl:7: not an object");
            run.coordinator.tell(new CoordinatorCommand.FeedFailed(generation, data));
            Fault model = new Fault(FaultCode.FILE_MISSING, "config.json is missing");
            run.coordinator.tell(new CoordinatorCommand.WorkerFailed(generation, 0, model));
            run.worker.stop(); // as a worker does that has failed
            RunEnded ended = run.listener.receiveMessage().getEnded();
            assertThat(ended.getMessage().lines())
                    .containsExactly("config.json is missing", "train.jsonl:7: not an object");
        }
    }

    @Test
    void wrongSettingsAreRefusedBeforeAnythingStarts() {
        try (RunDirectory directory = RunDirectory.open(dir, RunFixture.conf(dir))) {
            String conf = RunFixture.conf(dir, "checkpoint.keep = 0", "parallel.workers = 0");
            assertThatThrownBy(() ->
                            Coordinator.create(conf, directory, KIT.system().ignoreRef()))
                    .isInstanceOf(FaultException.class)
                    .hasMessageContaining("checkpoint.keep = 0")
                    .hasMessageContaining("parallel.workers = 0");
        }
    }

    /** A step, its evaluation, and its checkpoint. */
    private static void oneStep(Rehearsal run, long step, double lossNats) throws IOException {
        run.granted(step - 1, step);
        run.step(step);
        run.spanDone(step);
        run.evaluate(step, lossNats);
        run.checkpoint(step);
    }

    private static void secondHalf(Rehearsal run) throws IOException {
        run.granted(2, 4);
        run.step(3);
        run.step(4);
        run.spanDone(4);
        run.checkpoint(4);
        run.export(4);
        assertThat(run.ended().getOutcome()).isEqualTo(Outcome.FINISHED);
    }

    private static void toFirstCheckpoint(Rehearsal run) throws IOException {
        run.prepare(0);
        run.ready(0);
        run.granted(0, 2);
        run.step(1);
        run.step(2);
        run.spanDone(2);
        run.checkpoint(2);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.directory.RunFixture;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.ParameterOutline;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.UnitOutline;

/** One start of a run: a real coordinator on a real directory, with probes where worker, feeder and listener stand. */
final class Rehearsal implements AutoCloseable {
    /** Files are forced to the disk between two messages, which a busy disk may take its time for. */
    static final Config PATIENT = ConfigFactory.parseString("pekko.actor.testkit.typed.single-expect-default = 20s");

    static final ModelOutline MODEL = ModelOutline.newBuilder()
            .setFamily("llama")
            .setVocabulary(100)
            .setContextTokens(64)
            .setComputeDtype("F32")
            .addUnits(UnitOutline.newBuilder()
                    .addParameters(ParameterOutline.newBuilder()
                            .setName("embedding")
                            .addAllShape(List.of(100L, 8L))
                            .setHeldDtype("F32")
                            .setTrainable(true)))
            .build();

    final RunDirectory directory;
    final TestProbe<WorkerCommand> worker;
    final TestProbe<FeederCommand> feeder;
    final TestProbe<RunEvent> listener;
    final ActorRef<CoordinatorCommand> coordinator;
    private final Path dir;
    private final ActorTestKit kit;
    private long generation;
    private long checkpointBytes = 100;

    Rehearsal(ActorTestKit kit, Path dir, String... settings) {
        this.kit = kit;
        this.dir = dir;
        String conf = RunFixture.conf(dir, settings);
        directory = RunDirectory.open(dir, conf);
        worker = kit.createTestProbe();
        feeder = kit.createTestProbe();
        listener = kit.createTestProbe();
        coordinator = kit.spawn(Coordinator.create(conf, directory, listener.ref()));
    }

    /** A worker joins, model and data are described; returns what the worker is to load. */
    WorkerCommand.TakeShard prepare(long evaluationExamples) {
        describe(evaluationExamples);
        return worker.expectMessageClass(WorkerCommand.TakeShard.class);
    }

    /** A worker joins, model and data are described. */
    void describe(long evaluationExamples) {
        describe(evaluationExamples, MODEL);
    }

    /** The worker and the feeder join. */
    void join() {
        coordinator.tell(new CoordinatorCommand.WorkerJoined("node/0", 1, "host", "cpu", worker.ref()));
        coordinator.tell(new CoordinatorCommand.FeederJoined("node", 1, "host", feeder.ref()));
    }

    /** A worker joins, this model and data are described. */
    void describe(long evaluationExamples, ModelOutline outline) {
        join();
        WorkerCommand.DescribeModel model = worker.expectMessageClass(WorkerCommand.DescribeModel.class);
        FeederCommand.DescribeData data = feeder.expectMessageClass(FeederCommand.DescribeData.class);
        generation = model.generation();
        model.replyTo().tell(new CoordinatorCommand.ModelDescribed(generation, outline));
        data.replyTo()
                .tell(new CoordinatorCommand.DataDescribed(
                        generation, data.feeder(), 100, 50, 0, evaluationExamples, 100, "digest"));
    }

    /** The shard is loaded; returns the step that listeners are told of as the run's first. */
    long ready(long step) {
        coordinator.tell(new CoordinatorCommand.ShardReady(
                generation, 0, step, checkpointBytes, RankHolding.getDefaultInstance()));
        RunEvent event = listener.receiveMessage();
        assertThat(event.hasStarted()).isTrue();
        return event.getStarted().getFromStep();
    }

    /** The shard is loaded, and checkpoints of it will be as large as this. */
    void readyForCheckpointsOf(long bytes) {
        checkpointBytes = bytes;
        ready(0);
    }

    /** Expects this span to be granted. */
    void granted(long from, long until) {
        worker.expectMessage(new WorkerCommand.RunSteps(generation, from, until));
    }

    void step(long step) {
        StepReport report = StepReport.newBuilder()
                .setStep(step)
                .setLossNats(1.0 / step)
                .setSeconds(1)
                .build();
        coordinator.tell(new CoordinatorCommand.StepDone(generation, 0, report));
        assertThat(listener.receiveMessage().getStep()).isEqualTo(report);
    }

    void spanDone(long step) {
        coordinator.tell(new CoordinatorCommand.SpanDone(generation, 0, step));
    }

    /** Expects an evaluation to be ordered, and answers. */
    void evaluate(long step) {
        evaluate(step, 2);
    }

    /** Expects an evaluation to be ordered, answers, and returns whether it is told as the best so far. */
    boolean evaluate(long step, double lossNats) {
        worker.expectMessage(new WorkerCommand.Evaluate(generation, step));
        EvaluationReport report = EvaluationReport.newBuilder()
                .setStep(step)
                .setLossNats(lossNats)
                .build();
        coordinator.tell(new CoordinatorCommand.Evaluated(generation, 0, report));
        EvaluationReport told = listener.receiveMessage().getEvaluation();
        assertThat(told.toBuilder().clearBest().build()).isEqualTo(report);
        return told.getBest();
    }

    /** Expects a checkpoint to be ordered, and returns the order. */
    WorkerCommand.WriteShard checkpointOrdered(long step) {
        WorkerCommand.WriteShard write = worker.expectMessageClass(WorkerCommand.WriteShard.class);
        assertThat(write.step()).isEqualTo(step);
        return write;
    }

    /** Expects a checkpoint to be ordered, writes it, and expects it to be committed. */
    void checkpoint(long step) throws IOException {
        WorkerCommand.WriteShard write = checkpointOrdered(step);
        ShardFile file = RunFixture.shard(Path.of(write.folder()), "weights of step " + step);
        coordinator.tell(new CoordinatorCommand.ShardWritten(generation, 0, step, file));
        RunEvent event = listener.receiveMessage();
        assertThat(event.getCheckpoint().getStep()).isEqualTo(step);
        assertThat(Path.of(event.getCheckpoint().getPath())).isDirectory();
    }

    /** Expects the export to be ordered, writes it, and returns the checkpoint that it was to be made of. */
    @CanIgnoreReturnValue
    Path export(long step) throws IOException {
        WorkerCommand.ExportModel order = worker.expectMessageClass(WorkerCommand.ExportModel.class);
        RunFixture.export(Path.of(order.folder()));
        coordinator.tell(new CoordinatorCommand.ModelExported(generation, step));
        return Path.of(order.checkpoint());
    }

    /** Expects the run to end and the actor with it. */
    RunEnded ended() {
        RunEvent event = listener.receiveMessage();
        assertThat(event.hasEnded()).as(event.toString()).isTrue();
        worker.expectTerminated(coordinator);
        return event.getEnded();
    }

    /** The lines of the metrics, as kind and step. */
    List<String> metrics() throws IOException {
        return Files.readAllLines(dir.resolve("metrics.jsonl")).stream()
                .map(line -> line.replaceAll("\\{\"kind\":\"(\\w+)\",\"step\":(\\d+),.*", "$1 $2"))
                .toList();
    }

    long generation() {
        return generation;
    }

    /** The process ends without a word: what a kill leaves behind is what is on the disk. */
    @Override
    public void close() {
        kit.stop(coordinator);
        directory.close();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.GroupPlan;
import org.chorale.proto.wire.ModelOutline;
import org.chorale.proto.wire.RankSlice;
import org.chorale.proto.wire.SegmentPlan;
import org.chorale.proto.wire.ShardPlan;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.UnitPlan;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.TensorEntry;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A worker as its coordinator and its feeder see it, with a real shard behind it. */
final class WorkerActorTest {
    private static final long GENERATION = 3;
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Duration SEVERAL_TICKS = Duration.ofMillis(800); // of a quarter second, see Pulse

    @TempDir
    private Path directory;

    private final ActorTestKit kit = ActorTestKit.create();
    private final TestProbe<CoordinatorCommand> coordinator = kit.createTestProbe();
    private final TestProbe<CoordinatorCommand> atWork = kit.createTestProbe();
    private final TestProbe<FeederCommand> feeder = kit.createTestProbe();
    private ActorRef<WorkerCommand> worker;
    private long checkpointBytes;
    private String precision = "fp32";

    @BeforeEach
    void start() throws IOException {
        Files.writeString(directory.resolve("config.json"), """
                {"model_type": "llama", "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12,
                 "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
                """);
        worker = kit.spawn(WorkerActor.create(kit.spawn(ear())));
        assertThat(heard(CoordinatorCommand.WorkerJoined.class).worker()).isEqualTo(worker);
    }

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void aSpanRunsAsBatchesArriveAndCreditKeepsThemComing() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 2));
        FeederCommand.OpenFeed opened = asked(FeederCommand.OpenFeed.class);
        assertThat(opened.afterStep()).isZero();
        assertThat(opened.feed()).isEqualTo(Feed.TRAIN);
        assertThat(asked(FeederCommand.Credit.class).batches()).isEqualTo(2);

        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.TRAIN, 1, false)));
        StepReport first = heard(CoordinatorCommand.StepDone.class).report();
        assertThat(first.getStep()).isEqualTo(1);
        assertThat(first.getSamplesList()).containsExactly(7L, 5L);
        assertThat(first.getTrainedTokens()).isEqualTo(4);
        assertThat(first.getSkipped()).isFalse();
        assertThat(first.getPaddingTokens()).isZero();
        assertThat(asked(FeederCommand.Credit.class).batches()).isEqualTo(1);

        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.TRAIN, 2, false)));
        assertThat(heard(CoordinatorCommand.StepDone.class).report().getLossNats())
                .isLessThan(first.getLossNats());
        assertThat(heard(CoordinatorCommand.SpanDone.class).step()).isEqualTo(2);

        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.TRAIN, 3, false)));
        coordinator.expectNoMessage(Duration.ofMillis(100)); // no span was granted
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 2, 3));
        assertThat(heard(CoordinatorCommand.StepDone.class).report().getStep()).isEqualTo(3);
    }

    @Test
    void aStepIsReportedWithTheScaleOfItsLossWhereThereIsOne() {
        precision = "fp16";
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 1));
        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.TRAIN, 1, false)));
        StepReport report = heard(CoordinatorCommand.StepDone.class).report();
        assertThat(report.getLossScale()).isEqualTo(65536);
        assertThat(report.getOverflow()).isEqualTo(report.getSkipped());
    }

    @Test
    void aSpanThatIsStoppedEndsWhereItStands() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 100));
        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.TRAIN, 1, false)));
        heard(CoordinatorCommand.StepDone.class);
        worker.tell(new WorkerCommand.StopSpan(GENERATION));
        assertThat(heard(CoordinatorCommand.SpanDone.class).step()).isEqualTo(1);
        worker.tell(new WorkerCommand.StopSpan(GENERATION)); // crossed with the answer
        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.TRAIN, 2, false)));
        coordinator.expectNoMessage(Duration.ofMillis(100));
    }

    @Test
    void anEvaluationReadsItsFeedToTheEnd() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.Evaluate(GENERATION, 0));
        assertThat(asked(FeederCommand.OpenFeed.class).feed()).isEqualTo(Feed.EVALUATION);
        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.EVALUATION, 1, false)));
        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.EVALUATION, 2, true)));
        CoordinatorCommand.Evaluated evaluated = heard(CoordinatorCommand.Evaluated.class);
        assertThat(evaluated.report().getExamples()).isEqualTo(4);
        assertThat(evaluated.report().getJudged()).isEqualTo(4);
        assertThat(evaluated.report().getTrainedTokens()).isEqualTo(8);
        assertThat(evaluated.report().getTokens()).isEqualTo(12);
        assertThat(evaluated.report().getLossNats()).isPositive();
    }

    @Test
    void aShardAtWorkHasAPulseThatTellsHowFarItsEvaluationIsAndAnIdleOneHasNone() {
        load(Optional.empty());
        assertThat(atWork.expectMessageClass(StillWorking.class, PATIENCE).generation())
                .isEqualTo(GENERATION);
        awaitRest();

        worker.tell(new WorkerCommand.Evaluate(GENERATION, 0));
        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.EVALUATION, 1, false)));
        assertThat(atWork.expectMessageClass(StillWorking.class, PATIENCE).done())
                .isEqualTo(2);
        awaitRest(); // the feed has fallen silent
    }

    @Test
    void aCheckpointTakesAsMuchAsTheShardSaidWhenItWasLoaded() throws IOException {
        load(Optional.empty());
        Path checkpoint = Files.createDirectory(directory.resolve("step-0"));
        worker.tell(new WorkerCommand.WriteShard(GENERATION, 0, checkpoint.toString()));
        heard(CoordinatorCommand.ShardWritten.class);
        try (SafetensorsFile file = SafetensorsFile.open(checkpoint.resolve("rank-00000.safetensors"))) {
            long tensorBytes =
                    file.entries().stream().mapToLong(TensorEntry::bytes).sum();
            assertThat(checkpointBytes).isEqualTo(tensorBytes);
        }
    }

    @Test
    void aFeedThatBreaksIsToldByItsName() {
        load(Optional.empty());
        Fault fault = new Fault(FaultCode.DATA_CHANGED, "train.jsonl");
        worker.tell(new WorkerCommand.FeedBroken(GENERATION - 1, Feed.TRAIN, fault));
        worker.tell(new WorkerCommand.FeedBroken(GENERATION, Feed.EVALUATION, fault));
        assertThat(heard(CoordinatorCommand.FeedFailed.class))
                .isEqualTo(new CoordinatorCommand.FeedFailed(GENERATION, Optional.of(Feed.EVALUATION), fault));
    }

    @Test
    void aCheckpointIsWrittenAndTakenUpAgain() throws IOException {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 1));
        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.TRAIN, 1, false)));
        heard(CoordinatorCommand.StepDone.class);
        heard(CoordinatorCommand.SpanDone.class);
        Path checkpoint = Files.createDirectory(directory.resolve("step-1"));
        worker.tell(new WorkerCommand.WriteShard(GENERATION, 1, checkpoint.toString()));
        CoordinatorCommand.ShardWritten written = heard(CoordinatorCommand.ShardWritten.class);
        assertThat(Files.size(checkpoint.resolve(written.file().getName())))
                .isEqualTo(written.file().getBytes());
        assertThat(written.file().getTensorsList()).hasSize(3 * 12);
        assertThat(load(Optional.of(checkpoint.toString()))).as("steps done").isEqualTo(1);
        worker.tell(new WorkerCommand.ExportModel(
                GENERATION, 1, directory.resolve("export").toString()));
        assertThat(heard(CoordinatorCommand.ModelExported.class).step()).isEqualTo(1);
        assertThat(directory.resolve("export/model.safetensors")).exists();
    }

    @Test
    void aFailureInsideAStepReachesTheCoordinatorWithItsCode() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 5));
        worker.tell(new WorkerCommand.BatchReady(GENERATION, batch(Feed.TRAIN, 4, false)));
        CoordinatorCommand.WorkerFailed failed = heard(CoordinatorCommand.WorkerFailed.class);
        assertThat(failed.generation()).isEqualTo(GENERATION);
        assertThat(failed.fault().code()).isEqualTo(FaultCode.INTERNAL);
        assertThat(failed.fault().message()).contains("step 4").contains("step 1");
        coordinator.expectTerminated(worker, PATIENCE);
    }

    @Test
    void aModelThatIsNotThereIsAFaultOfTheUsersInput() {
        worker.tell(new WorkerCommand.DescribeModel(
                GENERATION, runConf().replace(directory.toString(), "/nowhere"), coordinator.ref()));
        CoordinatorCommand.WorkerFailed failed = heard(CoordinatorCommand.WorkerFailed.class);
        assertThat(failed.fault().code()).isEqualTo(FaultCode.FILE_MISSING);
        assertThat(failed.fault().message()).contains("/nowhere");
    }

    @Test
    void ordersOfAnotherGenerationAreIgnored() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION - 1, 0, 2));
        worker.tell(new WorkerCommand.Evaluate(GENERATION + 1, 0));
        worker.tell(new WorkerCommand.ExportModel(
                GENERATION - 1, 0, directory.resolve("x").toString()));
        feeder.expectNoMessage(Duration.ofMillis(100));
        coordinator.expectNoMessage(Duration.ofMillis(10));
    }

    private long load(Optional<String> checkpoint) {
        worker.tell(new WorkerCommand.DescribeModel(GENERATION, runConf(), coordinator.ref()));
        ModelOutline outline = heard(CoordinatorCommand.ModelDescribed.class).outline();
        assertThat(outline.getVocabulary()).isEqualTo(11);
        worker.tell(new WorkerCommand.TakeShard(
                GENERATION, 0, plan(outline), runConf(), checkpoint, 100, feeder.ref(), coordinator.ref()));
        CoordinatorCommand.ShardReady ready = heard(CoordinatorCommand.ShardReady.class);
        checkpointBytes = ready.checkpointBytes();
        return ready.step();
    }

    /** The defaults, and what these tests want otherwise. */
    private String runConf() {
        return ConfigFactory.parseString("""
                run.progress-timeout = 1 second
                precision = %s
                model { path = "%s", initialize = random }
                optimizer { learning-rate = 1e-2, schedule = constant, weight-decay = 0 }
                """.formatted(precision, directory))
                .withFallback(ConfigReader.defaults())
                .root()
                .render(ConfigRenderOptions.concise());
    }

    /** One flat buffer per unit, parameters one after the other. */
    private static ShardPlan plan(ModelOutline outline) {
        ShardPlan.Builder plan = ShardPlan.newBuilder().setWorldSize(1);
        outline.getUnitsList().forEach(unit -> {
            GroupPlan.Builder group = GroupPlan.newBuilder().setDtype("F32").setTrainable(true);
            unit.getParametersList().forEach(parameter -> {
                long elements = parameter.getShapeList().stream().reduce(1L, Math::multiplyExact);
                group.addSegments(SegmentPlan.newBuilder()
                        .setParameter(parameter.getName())
                        .addAllShape(parameter.getShapeList())
                        .setOffset(group.getElements()));
                group.setElements(group.getElements() + (elements + 63) / 64 * 64);
            });
            group.addSlices(RankSlice.newBuilder().setRank(0).setUntil(group.getElements()));
            plan.addUnits(UnitPlan.newBuilder().setName(unit.getName()).addGroups(group));
        });
        return plan.build();
    }

    private static StepBatch batch(Feed feed, long index, boolean last) {
        Batch batch = new Batch(List.of(
                Column.ofLongs(Batch.TOKENS, new long[] {1, 2, 3, 4, 5, 6}, 2, 3),
                Column.ofLongs(Batch.LABELS, new long[] {Batch.IGNORED, 2, 3, Batch.IGNORED, 5, 6}, 2, 3),
                Column.ofLongs(Batch.LENGTHS, new long[] {3, 3}, 2)));
        return new StepBatch(feed, index, 0.5, new long[] {7, 5}, 6, 0, List.of(batch), last);
    }

    /** A worker may say at any time that it is at work: that is heard apart from what it has to tell. */
    private Behavior<CoordinatorCommand> ear() {
        return Behaviors.receiveMessage(message -> {
            (message instanceof StillWorking ? atWork : coordinator).ref().tell(message);
            return Behaviors.same();
        });
    }

    private void awaitRest() {
        atWork.awaitAssert(PATIENCE, () -> {
            atWork.expectNoMessage(SEVERAL_TICKS);
            return true;
        });
    }

    private <M extends CoordinatorCommand> M heard(Class<M> type) {
        return coordinator.expectMessageClass(type, PATIENCE);
    }

    private <M extends FeederCommand> M asked(Class<M> type) {
        return feeder.expectMessageClass(type, PATIENCE);
    }
}

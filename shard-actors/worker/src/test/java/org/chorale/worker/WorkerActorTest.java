// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.chorale.worker.Examples.batch;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.pekko.stream.BoundedSourceQueue;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.feed.BatchFraming;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.TensorEntry;
import org.junit.jupiter.api.Test;

/** What a worker does on the orders of its coordinator, and how it answers them. */
final class WorkerActorTest extends SoleWorker {
    @Test
    void aSpanRunsAsBatchesArrive() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 2));
        FeederCommand.OpenFeed opened = asked(FeederCommand.OpenFeed.class);
        assertThat(opened.afterStep()).isZero();
        assertThat(opened.feed()).isEqualTo(Feed.TRAIN);
        BoundedSourceQueue<StepBatch> batches = answer(opened);

        batches.offer(batch(Feed.TRAIN, 1, false));
        StepReport first = heard(CoordinatorCommand.StepDone.class).report();
        assertThat(first.getStep()).isEqualTo(1);
        assertThat(first.getSamplesList()).containsExactly(7L, 5L);
        assertThat(first.getTrainedTokens()).isEqualTo(4);
        assertThat(first.getSkipped()).isFalse();
        assertThat(first.getPaddingTokens()).isZero();

        batches.offer(batch(Feed.TRAIN, 2, false));
        assertThat(heard(CoordinatorCommand.StepDone.class).report().getLossNats())
                .isLessThan(first.getLossNats());
        assertThat(heard(CoordinatorCommand.SpanDone.class).step()).isEqualTo(2);

        batches.offer(batch(Feed.TRAIN, 3, false));
        coordinator.expectNoMessage(Duration.ofMillis(100)); // no span was granted
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 2, 3));
        assertThat(heard(CoordinatorCommand.StepDone.class).report().getStep()).isEqualTo(3);
        feeder.expectNoMessage(Duration.ofMillis(10)); // the feed flowed on
    }

    @Test
    void aStepIsReportedWithTheScaleOfItsLossWhereThereIsOne() {
        precision = "fp16";
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 1));
        feed().offer(batch(Feed.TRAIN, 1, false));
        StepReport report = heard(CoordinatorCommand.StepDone.class).report();
        assertThat(report.getLossScale()).isEqualTo(65536);
        assertThat(report.getOverflow()).isEqualTo(report.getSkipped());
    }

    @Test
    void aSpanThatIsStoppedEndsAfterTheNextStep() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 100));
        BoundedSourceQueue<StepBatch> batches = feed();
        batches.offer(batch(Feed.TRAIN, 1, false));
        heard(CoordinatorCommand.StepDone.class);
        worker.tell(new WorkerCommand.StopSpan(GENERATION));
        batches.offer(batch(Feed.TRAIN, 2, false));
        heard(CoordinatorCommand.StepDone.class);
        assertThat(heard(CoordinatorCommand.SpanDone.class).step()).isEqualTo(2);
        worker.tell(new WorkerCommand.StopSpan(GENERATION)); // crossed with the answer
        batches.offer(batch(Feed.TRAIN, 3, false));
        coordinator.expectNoMessage(Duration.ofMillis(100));
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 2, 4));
        BoundedSourceQueue<StepBatch> again = feed(); // what came ahead is not known to have come
        again.offer(batch(Feed.TRAIN, 3, false));
        again.offer(batch(Feed.TRAIN, 4, false));
        heard(CoordinatorCommand.StepDone.class);
        heard(CoordinatorCommand.StepDone.class);
        assertThat(heard(CoordinatorCommand.SpanDone.class).step())
                .as("a stop belongs to its span")
                .isEqualTo(4);
    }

    @Test
    void anEvaluationReadsItsFeedToTheEnd() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.Evaluate(GENERATION, 0));
        FeederCommand.OpenFeed opened = asked(FeederCommand.OpenFeed.class);
        assertThat(opened.feed()).isEqualTo(Feed.EVALUATION);
        BoundedSourceQueue<StepBatch> batches = answer(opened);
        batches.offer(batch(Feed.EVALUATION, 1, false));
        batches.offer(batch(Feed.EVALUATION, 2, true));
        CoordinatorCommand.Evaluated evaluated = heard(CoordinatorCommand.Evaluated.class);
        assertThat(evaluated.report().getExamples()).isEqualTo(4);
        assertThat(evaluated.report().getJudged()).isEqualTo(4);
        assertThat(evaluated.report().getTrainedTokens()).isEqualTo(8);
        assertThat(evaluated.report().getTokens()).isEqualTo(12);
        assertThat(evaluated.report().getLossNats()).isPositive();
    }

    @Test
    void aShardSaysWhatItHolds() {
        RankHolding holding = load(Optional.empty()).holding();
        assertThat(holding.getGradientBytes()).isPositive();
        assertThat(holding.getParameterBytes()).isEqualTo(holding.getGradientBytes()); // both fp32
        assertThat(holding.getOptimizerBytes()).isGreaterThanOrEqualTo(2 * holding.getGradientBytes());
    }

    @Test
    void aShardThatIsAbandonedMakesWayForAnother() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 100));
        BoundedSourceQueue<StepBatch> batches = feed();
        batches.offer(batch(Feed.TRAIN, 1, false));
        heard(CoordinatorCommand.StepDone.class);

        worker.tell(new WorkerCommand.Abandon(GENERATION + 1));
        assertThat(heard(CoordinatorCommand.Abandoned.class))
                .isEqualTo(new CoordinatorCommand.Abandoned(GENERATION + 1, PLACE.worker(), PLACE.incarnation()));
        coordinator.awaitAssert(PATIENCE, () -> {
            assertThat(batches.isCompleted()).as("its feed has ended").isTrue();
            return true;
        });
        worker.tell(new WorkerCommand.Abandon(GENERATION + 2)); // nothing goes on
        assertThat(heard(CoordinatorCommand.Abandoned.class).generation()).isEqualTo(GENERATION + 2);

        assertThat(load(GENERATION + 2, Optional.empty()).generation()).isEqualTo(GENERATION + 2);
        worker.tell(new WorkerCommand.Abandon(GENERATION + 2)); // was repeated on its way
        worker.tell(new WorkerCommand.RunSteps(GENERATION + 2, 0, 1));
        feed().offer(batch(Feed.TRAIN, 1, false));
        assertThat(heard(CoordinatorCommand.StepDone.class).generation()).isEqualTo(GENERATION + 2);
    }

    @Test
    void whatIsAskedOfAShardThatLeavesIsAnsweredByTheNext() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.Abandon(GENERATION + 1));
        worker.tell(new WorkerCommand.DescribeModel(GENERATION + 1, runConf(), coordinator.ref()));
        heard(CoordinatorCommand.Abandoned.class);
        assertThat(heard(CoordinatorCommand.ModelDescribed.class).generation()).isEqualTo(GENERATION + 1);
        coordinator.expectNoMessage(Duration.ofMillis(100)); // once
    }

    @Test
    void aShardThatHangsDoesNotHoldUpTheAnswerForEver() {
        more = "pipeline.preprocess = [{ type = org.chorale.worker.HangingStage }]";
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 100));
        AtomicLong made = new AtomicLong();
        answer(
                asked(FeederCommand.OpenFeed.class),
                Source.fromIterator(
                                () -> LongStream.iterate(1, step -> step + 1).iterator())
                        .map(step -> batch(Feed.TRAIN, made.incrementAndGet(), false)));
        awaitRest(); // it hangs
        // in hand, ahead with the shard, in this process's queue, on their way, and one at each end of that way
        assertThat(made.get())
                .isLessThanOrEqualTo(1 + FeedIntake.BATCHES_AHEAD + 1 + BatchFraming.PIECES_IN_FLIGHT + 2);
        worker.tell(new WorkerCommand.Abandon(GENERATION + 1));
        CoordinatorCommand.WorkerFailed failed = heard(CoordinatorCommand.WorkerFailed.class);
        assertThat(failed.generation()).isEqualTo(GENERATION + 1);
        assertThat(failed.fault().code()).isEqualTo(FaultCode.WORKER_LOST);
        assertThat(failed.fault().message()).contains(PLACE.worker(), "deaf for");
        HangingStage.LET_GO.countDown();
        coordinator.expectTerminated(worker, PATIENCE);
    }

    @Test
    void aWorkerThatIsDismissedEnds() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.Dismiss());
        coordinator.expectTerminated(worker, PATIENCE);
    }

    @Test
    void aShardAtWorkHasAPulseThatTellsHowFarItsEvaluationIsAndAnIdleOneHasNone() {
        load(Optional.empty());
        assertThat(atWork.expectMessageClass(StillWorking.class, PATIENCE).generation())
                .isEqualTo(GENERATION);
        awaitRest();

        worker.tell(new WorkerCommand.Evaluate(GENERATION, 0));
        feed().offer(batch(Feed.EVALUATION, 1, false));
        StillWorking last = Stream.generate(() -> atWork.expectMessageClass(StillWorking.class, PATIENCE))
                .dropWhile(working -> working.done() == 0)
                .findFirst()
                .orElseThrow();
        assertThat(last.done()).isEqualTo(2);
        awaitRest(); // the feed has fallen silent
    }

    @Test
    void aCheckpointTakesAsMuchAsTheShardSaidWhenItWasLoaded() throws IOException {
        long checkpointBytes = load(Optional.empty()).checkpointBytes();
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
    void aCheckpointIsWrittenTakenUpAgainAndExported() throws IOException {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 1));
        feed().offer(batch(Feed.TRAIN, 1, false));
        heard(CoordinatorCommand.StepDone.class);
        heard(CoordinatorCommand.SpanDone.class);
        Path checkpoint = Files.createDirectory(directory.resolve("step-1"));
        worker.tell(new WorkerCommand.WriteShard(GENERATION, 1, checkpoint.toString()));
        CoordinatorCommand.ShardWritten written = heard(CoordinatorCommand.ShardWritten.class);
        assertThat(Files.size(checkpoint.resolve(written.file().getName())))
                .isEqualTo(written.file().getBytes());
        assertThat(written.file().getTensorsList()).hasSize(3 * 12);
        commit(checkpoint, written.file());
        assertThat(load(Optional.of(checkpoint.toString())).step())
                .as("steps done")
                .isEqualTo(1);
        worker.tell(new WorkerCommand.ExportModel(
                GENERATION,
                1,
                checkpoint.toString(),
                directory.resolve("export").toString()));
        assertThat(heard(CoordinatorCommand.ModelExported.class).step()).isEqualTo(1);
        assertThat(directory.resolve("export/model.safetensors")).exists();
    }

    @Test
    void aFailureInsideAStepReachesTheCoordinatorWithItsCode() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 5));
        feed().offer(batch(Feed.TRAIN, 4, false));
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
                GENERATION - 1, 0, "none", directory.resolve("x").toString()));
        worker.tell(new WorkerCommand.Abandon(GENERATION - 1));
        feeder.expectNoMessage(Duration.ofMillis(100));
        coordinator.expectNoMessage(Duration.ofMillis(10));
    }

    private static void commit(Path checkpoint, ShardFile file) throws IOException {
        CheckpointManifest manifest = CheckpointManifest.newBuilder()
                .setFormatVersion(ManifestFile.FORMAT_VERSION)
                .addFiles(file)
                .build();
        Files.write(checkpoint.resolve(ManifestFile.NAME), manifest.toByteArray());
    }
}

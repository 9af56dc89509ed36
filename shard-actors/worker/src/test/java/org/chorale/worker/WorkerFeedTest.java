// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.chorale.worker.Examples.batch;

import java.time.Duration;
import java.util.Optional;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.BoundedSourceQueue;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.feed.BatchFraming;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.junit.jupiter.api.Test;

/** What a worker tells of a feed that fails, breaks off or is refused, and when. */
final class WorkerFeedTest extends SoleWorker {
    @Test
    void aBatchThatCannotBeMadeIsToldWhenItsStepIsDueAndNotBefore() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 1));
        answer(asked(FeederCommand.OpenFeed.class), broken(batch(Feed.TRAIN, 1, false), batch(Feed.TRAIN, 2, false)));
        heard(CoordinatorCommand.StepDone.class);
        heard(CoordinatorCommand.SpanDone.class);
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 1, 2));
        heard(CoordinatorCommand.StepDone.class);
        heard(CoordinatorCommand.SpanDone.class);
        coordinator.expectNoMessage(Duration.ofMillis(200)); // a run might be over
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 2, 3));
        assertThat(heard(CoordinatorCommand.FeedFailed.class))
                .isEqualTo(new CoordinatorCommand.FeedFailed(
                        GENERATION, new Fault(FaultCode.DATA_CHANGED, "train.jsonl")));
    }

    @Test
    void aSpanThatIsToldToEndLacksTheBatchOfTheStepThatItWaitsFor() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 100));
        BoundedSourceQueue<StepBatch> batches = feed();
        batches.offer(batch(Feed.TRAIN, 1, false));
        heard(CoordinatorCommand.StepDone.class);
        worker.tell(new WorkerCommand.StopSpan(GENERATION));
        batches.fail(new IllegalStateException("train.jsonl"));
        heard(CoordinatorCommand.FeedFailed.class);
    }

    @Test
    void heldOutExamplesThatCannotBeReadAreToldAtOnce() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.Evaluate(GENERATION, 0));
        feed().fail(new IllegalStateException("eval.jsonl"));
        assertThat(heard(CoordinatorCommand.FeedFailed.class))
                .isEqualTo(
                        new CoordinatorCommand.FeedFailed(GENERATION, new Fault(FaultCode.DATA_CHANGED, "eval.jsonl")));
    }

    @Test
    void aFeedThatBreaksAfterTheLastHeldOutExampleIsOfNoMatter() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.Evaluate(GENERATION, 0));
        answer(asked(FeederCommand.OpenFeed.class), broken(batch(Feed.EVALUATION, 1, true)));
        heard(CoordinatorCommand.Evaluated.class);
        coordinator.expectNoMessage(Duration.ofMillis(200));
    }

    @Test
    void aFeedThatIsRefusedIsToldOnce() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 1));
        long number = asked(FeederCommand.OpenFeed.class).number();
        Fault fault = new Fault(FaultCode.INTERNAL, "no data");
        worker.tell(new WorkerCommand.FeedRefused(GENERATION, Feed.TRAIN, number - 1, fault)); // one from before
        worker.tell(new WorkerCommand.FeedRefused(GENERATION, Feed.TRAIN, number, fault));
        assertThat(heard(CoordinatorCommand.FeedFailed.class))
                .isEqualTo(new CoordinatorCommand.FeedFailed(GENERATION, fault));
        coordinator.expectNoMessage(Duration.ofMillis(10));
    }

    @Test
    void aFeedThatBreaksOffLeavesAWorkerThatWaitsToBeToldWhatComesNext() {
        load(Optional.empty());
        worker.tell(new WorkerCommand.RunSteps(GENERATION, 0, 5));
        FeederCommand.OpenFeed opened = asked(FeederCommand.OpenFeed.class);
        SharedKillSwitch feeders = KillSwitches.shared("the feeder's process");
        SourceRef<ByteString> stream =
                Source.<ByteString>never().via(feeders.flow()).runWith(BatchFraming.forRank(), kit.system());
        worker.tell(new WorkerCommand.FeedOpened(GENERATION, Feed.TRAIN, opened.number(), stream));
        feeders.abort(new IllegalStateException("gone"));
        CoordinatorCommand.WorkerFailed failed = heard(CoordinatorCommand.WorkerFailed.class);
        assertThat(failed.fault().code()).isEqualTo(FaultCode.PEER_LOST);
        assertThat(failed.fault().message()).contains("the stream of batches from its feeder broke off", "gone");
        worker.tell(new WorkerCommand.Abandon(GENERATION + 1));
        assertThat(heard(CoordinatorCommand.Abandoned.class).generation()).isEqualTo(GENERATION + 1);
    }

    /** A feed that fails after these batches. */
    private static Source<StepBatch, NotUsed> broken(StepBatch... batches) {
        return Source.range(0, batches.length).map(number -> {
            if (number == batches.length) {
                throw new IllegalStateException("train.jsonl");
            }
            return batches[number];
        });
    }
}

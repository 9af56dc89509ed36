// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.message.FeederCommand.OpenFeed;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.message.WorkerCommand.FeedOpened;
import org.chorale.proto.message.WorkerCommand.TakeShard;

/**
 * The feeds of a rank: asks its feeder for them, and pulls their batches for the shard. At most one of each kind is open,
 * and news of those before it counts for nothing. Used by its worker's actor alone, which hears of batches by messages.
 */
final class Intakes {
    /** A batch has come, or none where the feed has ended. */
    record Pulled(FeedIntake from, Optional<StepBatch> batch) implements WorkerCommand.Internal {}

    /** No batch comes any more. */
    record Broke(FeedIntake from, Throwable failure) implements WorkerCommand.Internal {}

    private final ActorContext<WorkerCommand> worker;
    private final Materializer materializer;
    private final Map<Feed, FeedIntake> open = new EnumMap<>(Feed.class);
    private long opened;
    private long fedUntil; // the step that the training feed's next batch follows, as the coordinator knows it

    Intakes(ActorContext<WorkerCommand> worker) {
        this.worker = worker;
        this.materializer = Materializer.createMaterializer(worker);
    }

    /**
     * The feed of a span: the one that flows where the span goes on from its last step, else another.
     *
     * @return its number
     */
    long forSpan(TakeShard order, long from, long until) {
        FeedIntake flowing = Optional.ofNullable(open.get(Feed.TRAIN))
                .filter(intake -> fedUntil == from)
                .orElseGet(() -> ask(order, Feed.TRAIN, from));
        fedUntil = until;
        return flowing.number();
    }

    void forEvaluation(TakeShard order) {
        ask(order, Feed.EVALUATION, 0);
    }

    /** For another feed, in the place of the one before. */
    private FeedIntake ask(TakeShard order, Feed feed, long afterStep) {
        FeedIntake intake = new FeedIntake(feed, ++opened);
        FeedIntake before = open.put(feed, intake);
        if (before != null) {
            before.close();
        }
        int worldSize = order.plan().getWorldSize();
        order.feeder()
                .tell(new OpenFeed(
                        order.generation(),
                        feed,
                        intake.number(),
                        order.rank(),
                        worldSize,
                        afterStep,
                        worker.getSelf()));
        return intake;
    }

    /** Its feeder is ready. */
    void flow(FeedOpened feed) {
        Optional<FeedIntake> intake = numbered(feed.number());
        if (intake.isPresent()) {
            intake.get().open(feed.batches(), worker.getSystem(), materializer);
            pull(intake.get());
        } else { // nobody will read it: it need not wait for that
            feed.batches().getSource().runWith(Sink.cancelled(), materializer);
        }
    }

    /** What the shard is told of a batch that has come; the next one is on its way. */
    Optional<ShardCommand> passedOn(Pulled pulled) {
        FeedIntake from = pulled.from();
        Optional<ShardCommand> batch = pulled.batch().filter(come -> has(from)).map(from::passedOn);
        batch.ifPresent(come -> pull(from));
        return batch;
    }

    /** The shard has begun with a batch of this feed: there is room for another. */
    void taken(long number) {
        numbered(number).ifPresent(intake -> {
            intake.taken();
            pull(intake);
        });
    }

    private void pull(FeedIntake intake) {
        intake.pull()
                .ifPresent(next -> worker.pipeToSelf(
                        next,
                        (batch, failure) -> failure == null ? new Pulled(intake, batch) : new Broke(intake, failure)));
    }

    boolean has(long number) {
        return numbered(number).isPresent();
    }

    boolean has(FeedIntake intake) {
        return open.get(intake.feed()) == intake;
    }

    private Optional<FeedIntake> numbered(long number) {
        return open.values().stream()
                .filter(intake -> intake.number() == number)
                .findFirst();
    }

    void close() {
        open.values().forEach(FeedIntake::close);
        open.clear();
    }
}

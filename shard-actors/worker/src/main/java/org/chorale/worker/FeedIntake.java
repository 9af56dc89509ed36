// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.Optional;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.SinkQueueWithCancel;
import org.apache.pekko.util.ByteString;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.feed.BatchFraming;
import org.jspecify.annotations.Nullable;

/**
 * One feed of a rank, from when it is asked for: once open, a batch is pulled whenever the shard has room for it. So there
 * are {@link #BATCHES_AHEAD} batches with the shard, one here, and
 * {@link BatchFraming#PIECES_IN_FLIGHT pieces} of the next on their way; the feeder waits until one is taken.
 */
final class FeedIntake {
    /** Batches that a shard holds besides the one in hand: one is enough to never wait for a message's way. */
    static final int BATCHES_AHEAD = 2;

    private final Feed feed;
    private final long number;
    private @Nullable SinkQueueWithCancel<StepBatch> batches;
    private int room = BATCHES_AHEAD;
    private boolean pulling;
    private long pulledNanos;

    /** @param number of this feed among all that its worker asks for */
    FeedIntake(Feed feed, long number) {
        this.feed = feed;
        this.number = number;
    }

    Feed feed() {
        return feed;
    }

    long number() {
        return number;
    }

    void open(SourceRef<ByteString> pieces, ActorSystem<?> system, Materializer materializer) {
        batches = BatchFraming.decode(pieces, system)
                .runWith(Sink.<StepBatch>queue().withAttributes(Attributes.inputBuffer(1, 1)), materializer);
    }

    /** The next batch, or none where the feed has ended; empty unless it is time to ask for it. */
    Optional<CompletionStage<Optional<StepBatch>>> pull() {
        SinkQueueWithCancel<StepBatch> open = batches;
        if (open == null || pulling || room == 0) {
            return Optional.empty();
        }
        pulling = true;
        pulledNanos = System.nanoTime();
        return Optional.of(open.pull());
    }

    /** As what was pulled, and has come now, goes to the shard. */
    ShardCommand.Batch passedOn(StepBatch batch) {
        pulling = false;
        room--;
        return new ShardCommand.Batch(batch, number, pulledNanos, System.nanoTime());
    }

    /** The shard has begun with a batch. */
    void taken() {
        room++;
    }

    /** Nobody pulls any more: the feeder's stream ends. */
    void close() {
        if (batches != null) {
            batches.cancel();
        }
    }
}

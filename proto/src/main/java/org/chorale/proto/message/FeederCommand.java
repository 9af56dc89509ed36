// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.batch.Feed;

/** What a feeder is told. It sends a batch only where credit was given for it. */
public sealed interface FeederCommand {
    /**
     * Index the sources, load the tokenizer, and say what there is.
     *
     * @param feeder a number for the answer
     */
    record DescribeData(long generation, int feeder, String runConf, ActorRef<CoordinatorCommand> replyTo)
            implements FeederCommand {}

    /**
     * Start a stream for one rank; the first batch makes step {@code afterStep + 1}. Replaces the rank's stream of the
     * same kind.
     */
    record OpenFeed(
            long generation, Feed feed, int rank, int worldSize, long afterStep, ActorRef<WorkerCommand> consumer)
            implements FeederCommand {}

    /** The rank can take this many batches more. */
    record Credit(long generation, Feed feed, int rank, int batches) implements FeederCommand {}

    /** What a feeder tells itself. */
    non-sealed interface Internal extends FeederCommand {}
}

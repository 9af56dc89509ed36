// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.batch.Feed;

/** What a feeder is told. */
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
     * same kind. Answered by {@link WorkerCommand.FeedOpened} or {@link WorkerCommand.FeedRefused}.
     *
     * @param number for the answer
     */
    record OpenFeed(
            long generation,
            Feed feed,
            long number,
            int rank,
            int worldSize,
            long afterStep,
            ActorRef<WorkerCommand> consumer)
            implements FeederCommand {}

    /** What a feeder tells itself. */
    non-sealed interface Internal extends FeederCommand {}
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import java.util.concurrent.CompletionStage;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;

/** A run that was submitted. May be used by any thread, as long as its actor system lives. */
public interface RunHandle {
    /** By which the run is known where it runs. */
    String name();

    /** How the run stands now. */
    CompletionStage<RunStatus> status();

    /**
     * Asks the run to finish its step, write a checkpoint and end. Submitting it again goes on from there.
     *
     * @param reason for people
     * @return done when the run has been told
     */
    CompletionStage<RunStatus> stop(String reason);

    /**
     * What happens from now on, until the run's end, which is the last event. It can be listened to any number of times; of
     * a listener that is slower than the run, the oldest events that it has not taken are dropped, so that a slow one holds
     * up nobody. Steps of a run in a cluster come without their samples, which {@code metrics.jsonl} has.
     */
    Source<RunEvent, NotUsed> events();

    /**
     * The run's end, be it finished, stopped or failed: {@link RunEnded#getOutcome} says which.
     *
     * @return completed exceptionally only where the end cannot be known: the actor system has ended, or the cluster cannot
     *     be reached
     */
    CompletionStage<RunEnded> result();
}

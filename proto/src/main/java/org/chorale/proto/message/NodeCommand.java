// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.fault.Fault;

/**
 * What the agent of a node is told: by whoever leads the runs of the cluster, or by the launcher of a run on one machine,
 * who needs only the last three. Each may come twice, and then counts once.
 */
public sealed interface NodeCommand {
    /**
     * The node belongs to the cluster, and its slots will be used.
     *
     * @param runs to be watched: where it ends, everything that was started in its name ends too, and the node says {@link
     *     RunsCommand.NodeJoined} to whoever follows
     */
    record Accepted(ActorRef<RunsCommand> runs) implements NodeCommand {}

    /** The node differs from the cluster in what all nodes must have in common; it is never used. */
    record Refused(Fault fault) implements NodeCommand {}

    /**
     * The node is not used yet, and goes on offering itself.
     *
     * @param reason for people
     */
    record Deferred(String reason) implements NodeCommand {}

    /**
     * Say whether workers of this run can be built here, its classes above all; answered by {@link RunsCommand.RunChecked}.
     *
     * @param inquiry a number for the answer
     */
    record CheckRun(long inquiry, String runConf) implements NodeCommand {}

    /**
     * Start a worker in each of these slots, and another whenever one has ended, until {@link EndRun}; the node tells the
     * coordinator of ends, the workers themselves say that they have joined. Slots of the run that are in use already are
     * left as they are.
     *
     * @param run its name, unique in the cluster
     * @param node the front of its workers' places: that of slot 1 is {@code node + "/1"}. It is another one each time that
     *     a node comes back under its old address, so that places never come back with it
     * @param slots from 0, ascending
     */
    record StartWorkers(
            String run, String runConf, String node, List<Integer> slots, ActorRef<CoordinatorCommand> coordinator)
            implements NodeCommand {
        public StartWorkers {
            slots = List.copyOf(slots);
        }
    }

    /**
     * Start a feeder of the run, which joins its coordinator.
     *
     * @param feeder its place
     */
    record StartFeeder(String run, String runConf, String feeder, ActorRef<CoordinatorCommand> coordinator)
            implements NodeCommand {}

    /**
     * End all workers and feeders of the run: those that do not end by themselves soon, by force. Answered by {@link
     * RunsCommand.RunLeft} once all have ended, also where there are none.
     */
    record EndRun(String run) implements NodeCommand {}

    /** What a node tells itself. */
    non-sealed interface Internal extends NodeCommand {}
}

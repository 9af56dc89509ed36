// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.coordinator.Coordinator;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.data.FeederActor;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.RunEvent;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.worker.WorkerActor;

/**
 * The real ones, in this process.
 *
 * @param runConf the configuration as resolved, in HOCON
 * @param directory of the run, opened
 * @param local components that only this process has
 */
public record LocalCast(String runConf, RunDirectory directory, LocalComponents local) implements Cast {
    /** A run whose configuration says everything. */
    public LocalCast(String runConf, RunDirectory directory) {
        this(runConf, directory, LocalComponents.none());
    }

    @Override
    public Behavior<FeederCommand> feeder() {
        return FeederActor.create();
    }

    @Override
    public Behavior<CoordinatorCommand> coordinator(ActorRef<FeederCommand> feeder, ActorRef<RunEvent> listener) {
        return Coordinator.create(runConf, directory, feeder, listener);
    }

    @Override
    public Behavior<WorkerCommand> worker(ActorRef<CoordinatorCommand> coordinator) {
        return WorkerActor.create(coordinator, local);
    }
}

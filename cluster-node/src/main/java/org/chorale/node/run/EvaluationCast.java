// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.coordinator.EvaluationCoordinator;
import org.chorale.data.FeederActor;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.RunEvent;
import org.chorale.worker.WorkerActor;

/**
 * Those of a run, but that nothing is trained.
 *
 * @param runConf the configuration as resolved, in HOCON
 */
public record EvaluationCast(String runConf) implements Cast {
    @Override
    public Behavior<FeederCommand> feeder() {
        return FeederActor.create();
    }

    @Override
    public Behavior<CoordinatorCommand> coordinator(ActorRef<FeederCommand> feeder, ActorRef<RunEvent> listener) {
        return EvaluationCoordinator.create(runConf, feeder, listener);
    }

    @Override
    public Behavior<WorkerCommand> worker(ActorRef<CoordinatorCommand> coordinator) {
        return WorkerActor.create(coordinator);
    }
}

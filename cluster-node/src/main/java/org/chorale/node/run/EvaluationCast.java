// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import com.typesafe.config.Config;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.coordinator.EvaluationCoordinator;
import org.chorale.node.process.ThisProcess;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.wire.RunEvent;
import org.chorale.training.pipeline.LocalComponents;

/**
 * Those of a run, but that nothing is trained, and that all of it is in this process.
 *
 * @param runConf the configuration as resolved, in HOCON
 */
public record EvaluationCast(String runConf) implements Cast {
    @Override
    public int workers() {
        return 1;
    }

    @Override
    public int feeders() {
        return 1;
    }

    @Override
    public Config system() {
        return SystemConfig.local();
    }

    @Override
    public Behavior<CoordinatorCommand> coordinator(ActorRef<RunEvent> listener) {
        return EvaluationCoordinator.create(runConf, listener);
    }

    @Override
    public Behavior<NodeCommand> node(ActorRef<RunsCommand> launcher) {
        return LocalCast.node(new ThisProcess(SystemConfig.LOOPBACK, LocalComponents.none()), launcher);
    }
}

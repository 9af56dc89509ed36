// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.training.pipeline.LocalComponents;

/**
 * All workers in this process.
 *
 * @param bindHost on which they form their groups
 * @param local components that only this process has
 */
public record ThisProcess(String bindHost, LocalComponents local) implements Workplace {
    @Override
    public Behavior<KeeperCommand> keeper(String place, String runConf, ActorRef<CoordinatorCommand> coordinator) {
        return InProcessKeeper.create(place, bindHost, local, coordinator);
    }
}

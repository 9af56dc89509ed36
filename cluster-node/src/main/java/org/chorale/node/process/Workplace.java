// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.KeeperCommand;

/** Where the workers of a node are. */
public interface Workplace {
    /**
     * A keeper: it has a worker in its place, and another when that one ends, until it is told {@link GiveUp}.
     *
     * @param place node and slot
     * @param runConf the run's resolved configuration
     * @param coordinator whom the worker joins, and who is told of its end
     */
    Behavior<KeeperCommand> keeper(String place, String runConf, ActorRef<CoordinatorCommand> coordinator);
}

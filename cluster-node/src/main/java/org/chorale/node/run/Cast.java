// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.wire.RunEvent;

/** Who plays in a run. */
public interface Cast {
    /** Reads the data. */
    Behavior<FeederCommand> feeder();

    /** Decides, and tells the listener. */
    Behavior<CoordinatorCommand> coordinator(ActorRef<FeederCommand> feeder, ActorRef<RunEvent> listener);

    /** Owns a device. */
    Behavior<WorkerCommand> worker(ActorRef<CoordinatorCommand> coordinator);
}

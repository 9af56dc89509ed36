// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import com.typesafe.config.Config;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand;
import org.chorale.proto.wire.RunEvent;

/** Who plays in a run on this machine, and where. */
public interface Cast {
    /** The configuration as resolved, in HOCON. */
    String runConf();

    /** Workers that the run asks for. */
    int workers();

    /** Feeders likewise. */
    int feeders();

    /** What the actor system needs besides chorale-node.conf. */
    Config system();

    /** Decides, and tells the listener. */
    Behavior<CoordinatorCommand> coordinator(ActorRef<RunEvent> listener);

    /** Has the workers and feeders, and tells the launcher when they are gone. */
    Behavior<NodeCommand> node(ActorRef<RunsCommand> launcher);
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.message.CoordinatorCommand;

/** Stands in for a node's process: keeps one stub worker, and says its process when it joins. */
final class StubNode {
    private StubNode() {}

    public static void main(String[] arguments) {
        ActorSystem<CoordinatorCommand> unused = ActorSystem.create(
                Behaviors.setup(context -> {
                    context.spawn(WorkerKeeper.create(Posts.of(StubWorker.WORKS), context.getSelf()), "keeper");
                    return Behaviors.receive(CoordinatorCommand.class)
                            .onMessage(CoordinatorCommand.WorkerJoined.class, joined -> {
                                System.out.println("joined " + joined.host());
                                return Behaviors.same();
                            })
                            .build();
                }),
                SystemConfig.NODE,
                SystemConfig.complete(SystemConfig.remote("127.0.0.1", 0)));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.ChildFailed;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.worker.WorkerActor;

/** Has one worker in this process, tells the keeper of its place that it is up, and says how it ended. */
final class WorkerGuardian extends AbstractBehavior<Void> {
    private final CompletableFuture<WorkerExit> exit;

    private WorkerGuardian(ActorContext<Void> context, WorkerOrder order, CompletableFuture<WorkerExit> exit) {
        super(context);
        this.exit = exit;
        ActorRefResolver refs = ActorRefResolver.get(context.getSystem());
        ActorRef<CoordinatorCommand> coordinator = refs.resolveActorRef(order.coordinator());
        ActorRef<KeeperCommand> keeper = refs.resolveActorRef(order.keeper());
        ActorRef<WorkerCommand> worker =
                context.spawn(WorkerActor.create(coordinator, LocalComponents.none()), "worker");
        context.watch(worker);
        keeper.tell(new KeeperCommand.WorkerUp(order.incarnation(), worker));
    }

    /** @param exit completed with what the process is to end with */
    static Behavior<Void> create(WorkerOrder order, CompletableFuture<WorkerExit> exit) {
        return Behaviors.setup(context -> new WorkerGuardian(context, order, exit));
    }

    @Override
    public Receive<Void> createReceive() {
        return newReceiveBuilder()
                .onSignal(ChildFailed.class, failed -> end(WorkerExit.FAILED))
                .onSignal(Terminated.class, terminated -> end(WorkerExit.STOPPED))
                .build();
    }

    /** What the worker told last still leaves, while the actor system ends. */
    private Behavior<Void> end(WorkerExit how) {
        exit.complete(how);
        return Behaviors.stopped();
    }
}

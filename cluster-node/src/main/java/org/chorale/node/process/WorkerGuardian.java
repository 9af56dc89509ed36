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
import org.chorale.proto.fault.Fault;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.worker.WorkerActor;
import org.chorale.worker.WorkerPlace;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Has one worker in this process, tells the keeper of its place that it is up, and says how it ended. */
final class WorkerGuardian extends AbstractBehavior<Void> {
    private static final Logger LOG = LoggerFactory.getLogger(WorkerGuardian.class);

    private final CompletableFuture<WorkerExit> exit;

    private WorkerGuardian(ActorContext<Void> context, WorkerOrder order, CompletableFuture<WorkerExit> exit) {
        super(context);
        this.exit = exit;
        ActorRefResolver refs = ActorRefResolver.get(context.getSystem());
        ActorRef<CoordinatorCommand> coordinator = refs.resolveActorRef(order.coordinator());
        ActorRef<KeeperCommand> keeper = refs.resolveActorRef(order.keeper());
        WorkerPlace place = new WorkerPlace(order.place(), order.incarnation(), order.bindHost());
        ActorRef<WorkerCommand> worker =
                context.spawn(WorkerActor.create(place, coordinator, LocalComponents.none(), this::lost), "worker");
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

    /** Called where nothing less than the end of the process frees what a native call holds. */
    private void lost(Fault fault) {
        LOG.error("{}", fault.message());
        exit.complete(WorkerExit.FAILED);
    }

    /** What the worker told last still leaves, while the actor system ends. */
    private Behavior<Void> end(WorkerExit how) {
        exit.complete(how);
        return Behaviors.stopped();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.util.Objects;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.node.system.SystemConfig;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.KeeperCommand;
import org.chorale.proto.message.WorkerCommand;

/** Stands in for a worker's process: does what its place is named for. */
final class StubWorker {
    /** Works until it is dismissed. */
    static final String WORKS = "works/0";
    /** Ends before its worker is up. */
    static final String CRASHES = "crashes/0";
    /** Never comes up. */
    static final String SILENT = "silent/0";
    /** Writes lines of a log, and works. */
    static final String TALKS = "talks/0";

    private StubWorker() {}

    public static void main(String[] arguments) throws IOException {
        WorkerOrder order = WorkerOrder.readFrom(System.in);
        Lifeline.onEnd(System.in, () -> Runtime.getRuntime().halt(WorkerExit.NODE_GONE.code()));
        switch (order.place()) {
            case CRASHES -> {
                System.err.println("ERROR Stub - there is no device here");
                Runtime.getRuntime().halt(3);
            }
            case TALKS -> System.err.println("WARN Stub - the music is loud\n\tat Stub.main\nterminate called");
            default -> {}
        }
        System.out.println("pid " + ProcessHandle.current().pid());
        if (!order.place().equals(SILENT)) {
            ActorSystem<WorkerCommand> unused = ActorSystem.create(
                    worker(order),
                    SystemConfig.WORKER,
                    SystemConfig.complete(ConfigFactory.parseString(order.system())));
        }
    }

    private static Behavior<WorkerCommand> worker(WorkerOrder order) {
        return Behaviors.setup(context -> {
            ActorRefResolver refs = ActorRefResolver.get(context.getSystem());
            ActorRef<CoordinatorCommand> coordinator = refs.resolveActorRef(order.coordinator());
            ActorRef<KeeperCommand> keeper = refs.resolveActorRef(order.keeper());
            String pid = Long.toString(ProcessHandle.current().pid());
            coordinator.tell(new CoordinatorCommand.WorkerJoined(
                    order.place(),
                    order.incarnation(),
                    pid,
                    Objects.requireNonNull(System.getenv("OMP_NUM_THREADS")),
                    context.getSelf()));
            keeper.tell(new KeeperCommand.WorkerUp(order.incarnation(), context.getSelf()));
            return Behaviors.receive(WorkerCommand.class)
                    .onMessage(WorkerCommand.Dismiss.class, dismiss -> {
                        Runtime.getRuntime().halt(WorkerExit.STOPPED.code());
                        return Behaviors.same();
                    })
                    .build();
        });
    }
}

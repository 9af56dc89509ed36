// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.chorale.coordinator.Coordinator;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.jspecify.annotations.Nullable;

/** Opens a run's directory, has a coordinator lead the run, passes its news on, and closes the directory. */
final class RunLeader extends AbstractBehavior<RunLeader.Command> {
    /** What it tells itself. */
    sealed interface Command {}

    private record Opened(
            @Nullable RunDirectory directory, @Nullable Throwable failure) implements Command {}

    private record News(RunEvent event) implements Command {}

    private record CoordinatorEnded() implements Command {}

    /** Who wants to know. In the order of the calls, of which {@code over} is the last. */
    interface Listener {
        void leads(ActorRef<CoordinatorCommand> coordinator);

        void hears(RunEvent event);

        void replaces(String place, String reason);

        void over();
    }

    private final String runConf;
    private final Listener listener;
    private final Executor disk;
    private final CompletableFuture<RunDirectory> opening;
    private boolean told;

    private RunLeader(ActorContext<Command> context, Path dir, String runConf, Listener listener) {
        super(context);
        this.runConf = runConf;
        this.listener = listener;
        this.disk = context.getSystem().dispatchers().lookup(DispatcherSelector.blocking());
        this.opening = CompletableFuture.supplyAsync(() -> RunDirectory.open(dir, runConf), disk);
        context.pipeToSelf(opening, Opened::new);
    }

    static Behavior<Command> create(Path dir, String runConf, Listener listener) {
        return Behaviors.setup(context -> new RunLeader(context, dir, runConf, listener));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Opened.class, this::onOpened)
                .onMessage(News.class, this::onNews)
                .onMessage(CoordinatorEnded.class, ended -> onCoordinatorEnded())
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    private Behavior<Command> onOpened(Opened opened) {
        if (opened.directory() == null) {
            tellFailure(fault(opened.failure()));
            return Behaviors.stopped();
        }
        ActorRef<RunEvent> news = getContext().messageAdapter(RunEvent.class, News::new);
        ActorRef<CoordinatorCommand> coordinator = getContext()
                .spawn(Coordinator.create(runConf, opened.directory(), news, listener::replaces), "coordinator");
        getContext().watchWith(coordinator, new CoordinatorEnded());
        listener.leads(coordinator);
        return this;
    }

    private Behavior<Command> onNews(News news) {
        told |= news.event().hasEnded();
        listener.hears(news.event());
        return this;
    }

    private Behavior<Command> onCoordinatorEnded() {
        if (!told) {
            tellFailure(new Fault(FaultCode.INTERNAL, "the coordinator ended without a word; its log says why"));
        }
        return Behaviors.stopped();
    }

    private void tellFailure(Fault fault) {
        listener.hears(RunEvent.newBuilder()
                .setEnded(RunEnded.newBuilder()
                        .setOutcome(RunEnded.Outcome.FAILED)
                        .setFaultCode(fault.code().name())
                        .setMessage(fault.message()))
                .build());
    }

    private Fault fault(@Nullable Throwable thrown) {
        Throwable cause = thrown instanceof CompletionException ? thrown.getCause() : thrown;
        if (cause instanceof FaultException known) {
            return known.fault();
        }
        getContext().getLog().error("The run directory cannot be opened", cause);
        return new Fault(FaultCode.INTERNAL, "the run directory cannot be opened: " + cause);
    }

    /** Only when it is closed may another run have the directory, which may still be being opened. */
    private Behavior<Command> onPostStop() {
        CompletableFuture<Optional<RunDirectory>> opened =
                opening.handle((directory, failure) -> Optional.ofNullable(directory));
        disk.execute(() -> {
            try {
                opened.join().ifPresent(RunDirectory::close);
            } finally {
                listener.over();
            }
        });
        return this;
    }
}

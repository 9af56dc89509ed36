// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.node.progress.RunView;
import org.chorale.node.run.GuestRun;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;

/** A run in the application's own actor system. */
final class HostedRun implements RunHandle, RunView {
    private final EventHub hub = new EventHub();
    private final GuestRun run;
    private final String name;
    private final CompletionStage<RunEnded> result;
    private volatile RunStatus status; // written by the run's guardian alone

    /**
     * @param begin starts the run, which shows itself to the view
     * @param release what the run has held is free once its result is known
     */
    HostedRun(RunStatus submitted, Function<RunView, GuestRun> begin, Runnable release) {
        name = submitted.getRun();
        status = submitted;
        run = begin.apply(this);
        result = run.ended().whenComplete((ended, failure) -> {
            release.run();
            hub.close();
        });
    }

    @Override
    public void show(RunEvent event) {
        status = RunProgress.after(status, event);
        hub.publish(event);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public CompletionStage<RunStatus> status() {
        return CompletableFuture.completedFuture(status);
    }

    @Override
    public CompletionStage<RunStatus> stop(String reason) {
        run.stop(reason);
        return status();
    }

    @Override
    public Source<RunEvent, NotUsed> events() {
        return hub.events();
    }

    @Override
    public CompletionStage<RunEnded> result() {
        return result;
    }
}

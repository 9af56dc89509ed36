// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import java.time.Duration;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.ClientRequest;
import org.chorale.proto.wire.DescribeRun;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.StopRunRequest;

/** A run of a cluster. Everything is asked of the cluster, which may change its leader meanwhile. */
record ClusterRun(ClusterRuns cluster, ActorSystem<?> system, String name) implements RunHandle {
    private static final Duration LOOK_EVERY = Duration.ofSeconds(2);

    @Override
    public CompletionStage<RunStatus> status() {
        return cluster.ask(ClientRequest.newBuilder()
                        .setDescribe(DescribeRun.newBuilder().setRun(name)))
                .thenApply(ClientReply::getStatus);
    }

    @Override
    public CompletionStage<RunStatus> stop(String reason) {
        return cluster.ask(ClientRequest.newBuilder()
                        .setStop(StopRunRequest.newBuilder().setRun(name).setReason(reason)))
                .thenApply(ClientReply::getStatus);
    }

    @Override
    public Source<RunEvent, NotUsed> events() {
        return RunWatch.events(cluster, system, name);
    }

    /** Looks now and then: an event may be dropped, a run's end stays. */
    @Override
    public CompletionStage<RunEnded> result() {
        return Source.tick(Duration.ZERO, LOOK_EVERY, NotUsed.getInstance())
                .mapAsync(1, tick -> status())
                .filter(RunStatus::hasEnded)
                .map(RunStatus::getEnded)
                .runWith(Sink.head(), Materializer.matFromSystem(system));
    }
}

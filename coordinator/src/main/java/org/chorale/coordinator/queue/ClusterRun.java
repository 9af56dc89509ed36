// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.WatchedEvent;
import org.jspecify.annotations.Nullable;

/** What there is of a run beside its place in the line: its coordinator, its news, and who watches. */
final class ClusterRun {
    final Submission submission;
    final Watchers watchers = new Watchers();
    private final RunReport report;
    private final long submittedEpochMillis;
    private @Nullable ActorRef<CoordinatorCommand> coordinator;
    private @Nullable String stopReason;
    private Optional<String> usersClasses; // of the nodes that can work for it, once one can

    /** @param usersClasses of the nodes that were asked when it was submitted, as in RunChecked; empty where there were none */
    ClusterRun(Submission submission, long submittedEpochMillis, Optional<String> usersClasses) {
        this.submission = submission;
        this.submittedEpochMillis = submittedEpochMillis;
        this.report = new RunReport(submission.name());
        this.usersClasses = usersClasses;
    }

    /** Whether a node has the classes of the nodes before it, of which the first decides. */
    boolean hasLikeClasses(String itsUsersClasses) {
        usersClasses = usersClasses.or(() -> Optional.of(itsUsersClasses));
        return usersClasses.equals(Optional.of(itsUsersClasses));
    }

    Optional<ActorRef<CoordinatorCommand>> coordinator() {
        return Optional.ofNullable(coordinator);
    }

    void ledBy(ActorRef<CoordinatorCommand> ref) {
        coordinator = ref;
        if (stopReason != null) {
            ref.tell(new CoordinatorCommand.StopRun(stopReason));
        }
    }

    /** Also where its coordinator is yet to come. */
    void stop(String reason) {
        stopReason = reason;
        coordinator().ifPresent(ref -> ref.tell(new CoordinatorCommand.StopRun(reason)));
    }

    void hear(RunEvent event) {
        WatchedEvent numbered = report.add(event);
        watchers.tell(numbered);
    }

    boolean watch(ActorRef<ClientReply> client, int credit, long nowNanos) {
        return watchers.watch(client, credit, report.state(), nowNanos);
    }

    RunStatus status(RunQueue queue) {
        QueuedRun place = queue.run(submission.name()).orElseThrow();
        RunStatus.Builder status = RunStatus.newBuilder()
                .setRun(submission.name())
                .setDirectory(submission.directory().toString())
                .setPhase(phase(place))
                .setWorkers(place.wanted().workers())
                .setSubmittedEpochMillis(submittedEpochMillis);
        place.slots().forEach(slot -> status.addPlaces(slot.place()));
        report.addTo(status);
        String awaited = queue.awaited(submission.name());
        if (!awaited.isEmpty()) {
            status.setAwaited(awaited);
        }
        return status.build();
    }

    private RunStatus.Phase phase(QueuedRun place) {
        if (report.hasEnded()) {
            return RunStatus.Phase.ENDED;
        }
        return place.phase() == QueuedRun.Phase.WAITING ? RunStatus.Phase.WAITING : RunStatus.Phase.RUNNING;
    }
}

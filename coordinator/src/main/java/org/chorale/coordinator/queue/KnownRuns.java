// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.RunList;
import org.chorale.proto.wire.RunStatus;

/** The runs that clients can ask about, in the order of submission: those in line, those beyond it, and ended ones. */
final class KnownRuns {
    /** Runs that are remembered, those that have ended included. */
    private static final int MAX_RUNS = 1_000;

    private final Map<String, ClusterRun> byName = new LinkedHashMap<>();

    Optional<ClusterRun> find(String name) {
        return Optional.ofNullable(byName.get(name));
    }

    /** @throws FaultException COMMAND_INVALID with the names that there are */
    ClusterRun known(String name) {
        return find(name)
                .orElseThrow(() -> invalid("run %s: there is none of that name; there are: %s"
                        .formatted(name, byName.isEmpty() ? "none" : String.join(", ", byName.keySet()))));
    }

    /** As the last; in the place of an ended one of its name. */
    void add(ClusterRun run) {
        byName.remove(run.submission.name());
        byName.put(run.submission.name(), run);
    }

    /** A name and a directory belong to one run at a time. */
    void refuseSecond(Submission submission, RunQueue queue) {
        for (ClusterRun other : byName.values()) {
            boolean ended = queue.run(other.submission.name())
                    .filter(run -> run.phase() == QueuedRun.Phase.ENDED)
                    .isPresent();
            if (!ended && other.submission.name().equals(submission.name())) {
                throw invalid("run %s: there is one of that name, which has not ended; give another name, or stop it"
                        .formatted(submission.name()));
            } else if (!ended && other.submission.directory().equals(submission.directory())) {
                throw new FaultException(
                        FaultCode.RUN_DIRECTORY_TAKEN,
                        "%s is that of run %s, which has not ended: choose another run.dir"
                                .formatted(submission.directory(), other.submission.name()));
            }
        }
    }

    /**
     * Forgets the oldest of those that have ended where there are too many.
     *
     * @return the queue without it
     */
    RunQueue makeRoom(RunQueue queue) {
        if (byName.size() < MAX_RUNS) {
            return queue;
        }
        String oldest = queue.runs().stream()
                .filter(run -> run.phase() == QueuedRun.Phase.ENDED)
                .map(QueuedRun::name)
                .findFirst()
                .orElseThrow(() -> invalid("%d runs wait or go on: stop some".formatted(byName.size())));
        byName.remove(oldest);
        return queue.without(oldest);
    }

    RunList list(RunQueue queue) {
        RunList.Builder list = RunList.newBuilder();
        for (ClusterRun run : byName.values()) {
            RunStatus.Builder status = run.status(queue).toBuilder();
            if (status.hasStarted()) {
                status.getStartedBuilder().clearHoldings(); // a line per rank of every run would not fit a frame
            }
            list.addRuns(status);
        }
        return list.build();
    }

    void forgetSilentWatchers(long nowNanos) {
        byName.values().forEach(run -> run.watchers.forgetSilent(nowNanos));
    }

    private static FaultException invalid(String message) {
        return new FaultException(FaultCode.COMMAND_INVALID, message);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.RunStatus.Phase;

/** How a run stands, from what it has told. */
final class RunProgress {
    private RunProgress() {}

    static RunStatus submitted(String run, String directory, int workers, long epochMillis) {
        return RunStatus.newBuilder()
                .setRun(run)
                .setDirectory(directory)
                .setPhase(Phase.WAITING)
                .setWorkers(workers)
                .setSubmittedEpochMillis(epochMillis)
                .build();
    }

    static RunStatus after(RunStatus status, RunEvent event) {
        RunStatus.Builder next = status.toBuilder();
        switch (event.getEventCase()) {
            case STARTED ->
                next.setStarted(event.getStarted()).setPhase(Phase.RUNNING).clearAwaited();
            case STEP -> next.setStep(event.getStep()).clearAwaited();
            case EVALUATION -> next.setEvaluation(event.getEvaluation()).clearAwaited();
            case CHECKPOINT -> next.setCheckpoint(event.getCheckpoint());
            case AWAITED -> next.setAwaited(event.getAwaited().getAwaited());
            case RECOVERY -> next.setRecoveries(event.getRecovery().getRecoveries());
            case ENDED -> next.setEnded(event.getEnded()).setPhase(Phase.ENDED).clearAwaited();
            case WORKING -> next.setAwaited(event.getWorking().getAwaited());
            case EVENT_NOT_SET -> {} // of a newer release
        }
        return next.build();
    }
}

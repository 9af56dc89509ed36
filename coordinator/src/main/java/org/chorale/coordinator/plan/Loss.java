// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;

/**
 * Why a generation ends before its time.
 *
 * @param place of the worker or feeder
 * @param code in case that it is the last one
 */
record Loss(String place, FaultCode code, String reason) {
    static Loss ofWorker(String place, String reason) {
        return new Loss(place, FaultCode.WORKER_LOST, reason);
    }

    static Loss ofFeeder(String place, String reason) {
        return new Loss(place, FaultCode.FEEDER_LOST, reason);
    }

    /** What ends the run after so many recoveries in a row. */
    Fault afterRecoveries(int inARow) {
        String gaveUp = inARow == 0
                ? "" // parallel.recoveries = 0: the first loss ends the run
                : "; %d recoveries in a row brought the run no further (parallel.recoveries)".formatted(inARow);
        String what = code == FaultCode.FEEDER_LOST ? "feeder" : "worker";
        return new Fault(code, "the %s %s was lost: %s%s".formatted(what, place, reason, gaveUp));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * How often the run lost someone.
 *
 * @param total of this start of the run
 * @param inARow of them, the last ones since a step was recorded for the first time
 * @param furthestStep that was ever recorded
 * @param lostPlaces of workers and feeders that were lost in this recovery: a place that is lost twice is a recovery of
 *     its own, so that processes that end as soon as they have joined do so a bounded number of times
 */
record Recoveries(int total, int inARow, long furthestStep, Set<String> lostPlaces) {
    static final Recoveries NONE = new Recoveries(0, 0, 0, Set.of());

    Recoveries {
        lostPlaces = Set.copyOf(lostPlaces);
    }

    /** Another one begins, because a place was lost. */
    Recoveries another(String place) {
        return new Recoveries(total + 1, inARow + 1, furthestStep, Set.of(place));
    }

    /** A place is lost where none has its rank yet. */
    Recoveries lostMeanwhile(String place) {
        if (lostPlaces.contains(place)) {
            return another(place);
        }
        Set<String> more = Stream.concat(lostPlaces.stream(), Stream.of(place)).collect(Collectors.toSet());
        return new Recoveries(total, inARow, furthestStep, more);
    }

    Recoveries after(long step) {
        return step > furthestStep ? new Recoveries(total, 0, step, Set.of()) : this;
    }
}

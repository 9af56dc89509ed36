// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.List;

/** A run on its way in one generation. */
record Leg(Footing footing, Course course, Progress progress) {
    long generation() {
        return course.generation();
    }

    long step() {
        return progress.step();
    }

    Team team() {
        return course.team();
    }

    /** Ranks that write checkpoints: those of the first copy of the model. */
    List<Integer> writers() {
        return course.plan().getShardGroups(0).getRanksList();
    }

    Leg with(Footing changed) {
        return new Leg(changed, course, progress);
    }

    Leg with(Course changed) {
        return new Leg(footing, changed, progress);
    }

    Leg with(Progress changed) {
        return new Leg(footing.with(footing.recoveries().after(changed.step())), course, changed);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * When workers are to be killed.
 *
 * @param at the step that the moment waits for, where it does
 * @param millis that pass then
 * @param victims how many, at once
 */
record WorkerKill(When when, int at, int millis, int victims) {
    /** What a kill waits for. */
    enum When {
        /** The launcher has started a worker. */
        START_UP,
        /** A step is recorded. */
        STEP,
        /** A step is recorded, and a checkpoint is being written. */
        CHECKPOINT,
        /** The run has begun to recover from the kill before. */
        RECOVERY,
        /** The result is being written. */
        EXPORT
    }

    /** A few steps take as long. */
    private static final int MAX_DELAY_MILLIS = 60;

    /** A worker needs about so long until it has joined. */
    private static final int START_UP_MILLIS = 3000;

    private static final int STEPS_BETWEEN = 10;

    /** All kinds of moments, each kill after progress since those before, which a run would give up without. */
    static List<WorkerKill> throughout(int steps, Random random) {
        List<WorkerKill> kills = new ArrayList<>();
        kills.add(new WorkerKill(When.START_UP, 0, random.nextInt(START_UP_MILLIS), 1));
        for (int step = 1; step + STEPS_BETWEEN <= steps; step += STEPS_BETWEEN) {
            int at = step + random.nextInt(STEPS_BETWEEN / 2);
            kills.add(
                    switch ((step / STEPS_BETWEEN) % 4) {
                        case 1 -> new WorkerKill(When.CHECKPOINT, at, 0, 1);
                        case 2 -> new WorkerKill(When.STEP, at, random.nextInt(MAX_DELAY_MILLIS), 2);
                        default -> new WorkerKill(When.STEP, at, random.nextInt(MAX_DELAY_MILLIS), 1);
                    });
            if ((step / STEPS_BETWEEN) % 4 == 3) {
                kills.add(new WorkerKill(When.RECOVERY, at, random.nextInt(START_UP_MILLIS), 1));
            }
        }
        kills.add(new WorkerKill(When.EXPORT, 0, 0, 1));
        return kills;
    }
}

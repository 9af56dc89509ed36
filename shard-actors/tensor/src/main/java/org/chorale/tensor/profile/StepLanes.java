// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

/**
 * The rows of a recording that tell of steps, which begin and end in order; a step may begin before the one before it has
 * ended. Used by one thread.
 */
public final class StepLanes {
    private final Recording recording;
    private long overNanos; // when the step before was over

    /** From now on. */
    public StepLanes(Recording recording) {
        this.recording = recording;
        this.overNanos = System.nanoTime();
    }

    /** All of a step has been enqueued now; on the CPU, computed. */
    public void begun(long step, long startNanos) {
        recording.add(Lane.SHARD, "begin step " + step, startNanos);
    }

    /** A step is over now, and its numbers are read. */
    public void over(long step, long startNanos) {
        recording.add(Lane.SHARD, "read step " + step, startNanos);
        recording.add(Lane.STEPS, "step " + step, overNanos);
        overNanos = System.nanoTime();
    }
}

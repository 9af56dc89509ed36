// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

/**
 * A row of a timeline.
 *
 * @param name what stands beside the row
 */
public record Lane(Kind kind, String name) {
    /** Steps from the end of the one before to their own, as {@code metrics.jsonl} times them. */
    public static final Lane STEPS = new Lane(Kind.STEP, "steps");

    /** What the thread does that owns the device. */
    public static final Lane SHARD = new Lane(Kind.HOST, "shard");

    /** What a stream of the GPU computes, by CUPTI's number of it. */
    static Lane kernels(int stream) {
        return new Lane(Kind.KERNEL, "kernels of stream " + Integer.toUnsignedString(stream));
    }

    /** What is recorded in a row: the category of its events in the file. */
    public enum Kind {
        STEP("step", false),
        HOST("host", false),
        /** What an actor waits for. */
        ACTOR("actor", false),
        /** The host enqueues an operation of several ranks; what the GPU does of it is a kernel. */
        COLLECTIVE("collective", false),
        /** Calls of CUDA that launch, copy, allocate or wait. */
        CALL("call", false),
        /** The host waits for the GPU within a call of CUDA. */
        WAIT("wait", false),
        KERNEL("kernel", true),
        COPY("copy", true);

        private final String word;
        private final boolean onDevice;

        Kind(String word, boolean onDevice) {
            this.word = word;
            this.onDevice = onDevice;
        }

        public String word() {
            return word;
        }

        boolean onDevice() {
            return onDevice;
        }
    }
}

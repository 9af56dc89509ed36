// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import com.google.errorprone.annotations.MustBeClosed;
import java.io.PrintStream;
import java.time.Duration;

/**
 * Makes Ctrl-C and SIGTERM stop a run in order: the JVM calls the hook, waits for it, and exits with 130 or 143 by
 * itself.
 */
public final class StopOnSignal implements AutoCloseable {
    private final Thread hook;

    private StopOnSignal(Thread hook) {
        this.hook = hook;
    }

    /** Until it is closed, an end of the JVM waits up to {@code patience} for the run's. */
    @MustBeClosed
    public static StopOnSignal install(LocalRun run, Duration patience, PrintStream err) {
        Thread hook = new Thread(() -> stop(run, patience, err), "stop-on-signal");
        Runtime.getRuntime().addShutdownHook(hook);
        return new StopOnSignal(hook);
    }

    static void stop(LocalRun run, Duration patience, PrintStream err) {
        if (run.isOver()) {
            return;
        }
        err.printf(
                "stopping: finishing the step and writing a checkpoint; this may take up to %d seconds%n",
                patience.toSeconds());
        run.stop("the process was asked to end");
        try {
            if (!run.awaitEnd(patience)) {
                err.printf(
                        "gave up after %d seconds of waiting for the step and its checkpoint; the run can go on from"
                                + " the checkpoint before%n",
                        patience.toSeconds());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is ending, so the hook is at work or done: nothing is left to remove.
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import java.io.PrintStream;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.chorale.node.system.SignalTrap;

/**
 * Makes Ctrl-C, SIGTERM and SIGHUP stop a run in order, after which the process ends with the signal's code, unless the run
 * has failed. A second signal ends it at once.
 */
public final class StopOnSignal {
    private final LocalRun run;
    private final Duration patience;
    private final PrintStream err;
    private final IntConsumer halt;
    private final AtomicInteger first = new AtomicInteger(); // the signal, 0 before

    /** @param halt ends the process with an exit code */
    StopOnSignal(LocalRun run, Duration patience, PrintStream err, IntConsumer halt) {
        this.run = run;
        this.patience = patience;
        this.err = err;
        this.halt = halt;
    }

    /** For the rest of this process's life. A run that does not end within {@code patience} is given up. */
    public static StopOnSignal install(LocalRun run, Duration patience, PrintStream err) {
        StopOnSignal stop = new StopOnSignal(
                run, patience, err, exitCode -> Runtime.getRuntime().halt(exitCode));
        SignalTrap.OF_PROCESS.set(stop::onSignal);
        return stop;
    }

    /** The code to end with, where the run itself would be one that has not failed. */
    public int exitCode(int otherwise) {
        int signal = first.get();
        return signal == 0 ? otherwise : SignalTrap.EXIT_CODE + signal;
    }

    void onSignal(int signal) {
        if (!first.compareAndSet(0, signal)) {
            end(signal, "ended at once: the last checkpoint stands, and the run can go on from it");
        } else if (!run.isOver()) {
            stop(signal);
        }
    }

    private void stop(int signal) {
        err.printf(
                "stopping: finishing the step and writing a checkpoint; this may take up to %d seconds, and a second"
                        + " signal ends it at once%n",
                patience.toSeconds());
        run.stop("the process was asked to end");
        try {
            if (!run.awaitEnd(patience)) {
                end(
                        signal,
                        "gave up after %d seconds of waiting for the step and its checkpoint; the run can go on from"
                                        .formatted(patience.toSeconds())
                                + " the checkpoint before");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Nothing is half there: a checkpoint counts once it is committed, and the metrics behind it are written again. */
    private void end(int signal, String words) {
        err.println(words);
        err.flush();
        halt.accept(SignalTrap.EXIT_CODE + signal);
    }
}

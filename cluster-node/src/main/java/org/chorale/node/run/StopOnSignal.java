// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.run;

import com.google.errorprone.annotations.MustBeClosed;
import java.io.PrintStream;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Makes Ctrl-C and SIGTERM stop a run in order: the JVM calls the hook, waits for it, and exits with 130 or 143 by
 * itself, unless the run failed meanwhile. A second signal ends it at once. Whoever installs it tells the user how the run ended and closes it then; the
 * JVM lives as long as that takes.
 */
public final class StopOnSignal implements AutoCloseable {
    /** A few lines are printed in less, unless nobody reads them. */
    private static final Duration TELLING_LIMIT = Duration.ofSeconds(10);

    /** What a shell adds to a signal's number: 130 for Ctrl-C, 143 for SIGTERM. */
    private static final int EXIT_CODE_OF_SIGNAL = 128;

    private final LocalRun run;
    private final Duration patience;
    private final PrintStream err;
    private final IntConsumer halt;
    private final SignalTrap trap;
    private final Thread hook = new Thread(this::stop, "stop-on-signal");
    private final CountDownLatch told = new CountDownLatch(1);
    private final AtomicReference<@Nullable Integer> failure = new AtomicReference<>();

    /**
     * @param halt ends the process with an exit code; no other way is left to a hook
     * @param trap for the signals after the first
     */
    StopOnSignal(LocalRun run, Duration patience, PrintStream err, IntConsumer halt, SignalTrap trap) {
        this.run = run;
        this.patience = patience;
        this.err = err;
        this.halt = halt;
        this.trap = trap;
    }

    /** Until it is closed, an end of the JVM waits up to {@code patience} for the run's. */
    @MustBeClosed
    public static StopOnSignal install(LocalRun run, Duration patience, PrintStream err) {
        StopOnSignal stop = new StopOnSignal(
                run, patience, err, exitCode -> Runtime.getRuntime().halt(exitCode), SignalTrap.OF_PROCESS);
        Runtime.getRuntime().addShutdownHook(stop.hook);
        return stop;
    }

    /** The process is to end with this code although it was asked to end. */
    public void failed(int exitCode) {
        failure.set(exitCode);
    }

    void stop() {
        try {
            if (endOfRun() && told.await(TELLING_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
                Integer exitCode = failure.get();
                if (exitCode != null) {
                    halt.accept(exitCode);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Brings it about; false where that took too long. */
    private boolean endOfRun() throws InterruptedException {
        if (run.isOver()) {
            return true;
        }
        err.printf(
                "stopping: finishing the step and writing a checkpoint; this may take up to %d seconds, and a second"
                        + " signal ends it at once%n",
                patience.toSeconds());
        trap.set(this::endAtOnce);
        run.stop("the process was asked to end");
        if (run.awaitEnd(patience)) {
            return true;
        }
        err.printf(
                "gave up after %d seconds of waiting for the step and its checkpoint; the run can go on from"
                        + " the checkpoint before%n",
                patience.toSeconds());
        return false;
    }

    /** Nothing is half there: a checkpoint counts once it is committed, and the metrics behind it are written again. */
    private void endAtOnce(int signal) {
        err.println("ended at once: the last checkpoint stands, and the run can go on from it");
        err.flush();
        halt.accept(EXIT_CODE_OF_SIGNAL + signal);
    }

    @Override
    public void close() {
        told.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is ending, so the hook is at work or done: nothing is left to remove.
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.io.PrintStream;
import java.util.function.LongSupplier;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStarted;

/** Lines for files and pipes: some fifty for the steps of a run, however fast it is. */
public final class PlainView implements RunView {
    /** A line is due after this share of the steps, */
    private static final long LINES_PER_RUN = 50;
    /** or after this long, */
    private static final long SLOW_NANOS = 10_000_000_000L;
    /** but never sooner than this after the one before. */
    private static final long FAST_NANOS = 1_000_000_000L;

    private final PrintStream out;
    private final boolean verbose;
    private final LongSupplier nanoClock;
    private final long beganNanos;
    private final RunFigures figures = new RunFigures();
    private long shownNanos;
    private long shownStep;

    /**
     * @param verbose whether checkpoints get lines too
     * @param nanoClock {@code System::nanoTime}
     */
    public PlainView(PrintStream out, boolean verbose, LongSupplier nanoClock) {
        this.out = out;
        this.verbose = verbose;
        this.nanoClock = nanoClock;
        this.beganNanos = nanoClock.getAsLong();
        this.shownNanos = beganNanos;
    }

    @Override
    public void show(RunEvent event) {
        figures.add(event);
        switch (event.getEventCase()) {
            case STARTED -> showStart(event.getStarted());
            case STEP -> showStep(event.getStep().getStep());
            case EVALUATION -> out.println(Wording.evaluation(event.getEvaluation()));
            case CHECKPOINT -> showCheckpoint(event.getCheckpoint());
            case WORKING, AWAITED -> {} // no line is due
            case RECOVERY -> out.println(Wording.recovery(event.getRecovery()));
            case ENDED ->
                RunSummary.lines(figures, event.getEnded(), (nanoClock.getAsLong() - beganNanos) * 1e-9)
                        .forEach(out::println);
            default -> throw new IllegalArgumentException("an event without content");
        }
        out.flush();
    }

    private void showStart(RunStarted started) {
        shownStep = started.getFromStep();
        out.println(Wording.start(started));
    }

    private void showStep(long step) {
        long now = nanoClock.getAsLong();
        long total = figures.started().getUntilStep();
        boolean due = (step - shownStep) * LINES_PER_RUN >= total || now - shownNanos >= SLOW_NANOS;
        if (step == total || (due && now - shownNanos >= FAST_NANOS)) {
            out.printf("step %d/%d  %s%n", step, total, figures.pace());
            shownStep = step;
            shownNanos = now;
        }
    }

    private void showCheckpoint(CheckpointCommitted checkpoint) {
        if (verbose) {
            out.println(Wording.checkpoint(checkpoint));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.io.PrintStream;
import java.util.function.LongSupplier;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStarted;

/** A progress bar on the last line of a terminal; evaluations scroll away above it. */
public final class BarView implements RunView {
    /** Drawn this often at most. */
    private static final long REDRAW_NANOS = 250_000_000L;

    private static final int MIN_BAR_CHARS = 10;

    private final PrintStream out;
    private final int columns;
    private final boolean verbose;
    private final LongSupplier nanoClock;
    private final long beganNanos;
    private final RunFigures figures = new RunFigures();
    private final TerminalLine line;
    private long drawnNanos;
    private String drawn = ""; // the bar with its words

    /**
     * @param columns of the terminal
     * @param verbose whether checkpoints get lines too
     * @param nanoClock {@code System::nanoTime}
     */
    public BarView(PrintStream out, int columns, boolean verbose, LongSupplier nanoClock) {
        this.out = out;
        this.columns = columns - 1; // a full line would wrap
        this.verbose = verbose;
        this.nanoClock = nanoClock;
        this.beganNanos = nanoClock.getAsLong();
        this.line = new TerminalLine(out);
    }

    @Override
    public void show(RunEvent event) {
        figures.add(event);
        switch (event.getEventCase()) {
            case STARTED -> showStart(event.getStarted());
            case STEP -> showStep();
            case EVALUATION -> line.printAbove(Wording.evaluation(event.getEvaluation()));
            case CHECKPOINT -> showCheckpoint(event.getCheckpoint());
            case WORKING -> line.draw(cut(Wording.working(event.getWorking()))); // until there is a step again
            case AWAITED -> line.draw(cut(Wording.awaited(event.getAwaited()))); // likewise
            case RECOVERY -> line.printAbove(Wording.recovery(event.getRecovery()));
            case ENDED -> {
                endLine();
                RunSummary.lines(figures, event.getEnded(), (nanoClock.getAsLong() - beganNanos) * 1e-9)
                        .forEach(out::println);
                out.flush();
            }
            default -> throw new IllegalArgumentException("an event without content");
        }
    }

    private void showStart(RunStarted started) {
        line.erase();
        out.println(Wording.start(started));
        draw(started.getFromStep(), started.getUntilStep(), "");
    }

    private void showStep() {
        long step = figures.last().getStep();
        long steps = figures.started().getUntilStep();
        if (step == steps || nanoClock.getAsLong() - drawnNanos >= REDRAW_NANOS) {
            draw(step, steps, "  " + figures.pace());
        }
    }

    private void showCheckpoint(CheckpointCommitted checkpoint) {
        if (verbose) {
            line.printAbove(Wording.checkpoint(checkpoint));
        }
    }

    /** {@code step 24/1200 [=>        ] loss …}; the bar takes what the words leave, or gives way to them. */
    private void draw(long step, long steps, String pace) {
        String words = "step %d/%d ".formatted(step, steps);
        int width = columns - words.length() - pace.length() - "[]".length();
        String bar = width < MIN_BAR_CHARS ? "" : bar((double) step / Math.max(steps, 1), width);
        drawn = cut(words + bar + pace);
        line.draw(drawn);
        drawnNanos = nanoClock.getAsLong();
    }

    /** Leaves the bar as it was last, whatever was shown in its place. */
    private void endLine() {
        line.erase();
        if (!drawn.isEmpty()) {
            line.draw(drawn);
            line.end();
        }
    }

    private String cut(String text) {
        return text.substring(0, Math.min(text.length(), Math.max(columns, 0)));
    }

    private static String bar(double share, int width) {
        int filled = (int) Math.floor(Math.min(share, 1) * width);
        return "[" + "=".repeat(filled) + " ".repeat(width - filled) + "]";
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.io.PrintStream;
import java.time.Duration;
import java.util.function.LongSupplier;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressState;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.StepReport;
import org.jspecify.annotations.Nullable;

/** A progress bar on the last line of a terminal; evaluations scroll away above it. */
public final class BarView implements RunView {
    private static final int REDRAW_MILLIS = 250;
    private static final int MIN_BAR_CHARS = 10;

    private final PrintStream out;
    private final int columns;
    private final boolean verbose;
    private final LongSupplier nanoClock;
    private final long beganNanos;
    private final RunFigures figures = new RunFigures();
    private TerminalLine line;
    private @Nullable ProgressBar bar; // from the run's start to its end

    /**
     * @param columns of the terminal
     * @param verbose whether checkpoints get lines too
     * @param nanoClock {@code System::nanoTime}
     */
    public BarView(PrintStream out, int columns, boolean verbose, LongSupplier nanoClock) {
        this.out = out;
        this.columns = columns;
        this.verbose = verbose;
        this.nanoClock = nanoClock;
        this.beganNanos = nanoClock.getAsLong();
        this.line = new TerminalLine(out, columns);
    }

    @Override
    public void show(RunEvent event) {
        figures.add(event);
        switch (event.getEventCase()) {
            case STARTED -> showStart(event.getStarted());
            case STEP -> showStep(event.getStep());
            case EVALUATION -> line.printAbove(Wording.evaluation(event.getEvaluation()));
            case CHECKPOINT -> showCheckpoint(event.getCheckpoint());
            case ENDED -> {
                closeBar();
                RunSummary.lines(figures, event.getEnded(), (nanoClock.getAsLong() - beganNanos) * 1e-9)
                        .forEach(out::println);
                out.flush();
            }
            default -> throw new IllegalArgumentException("an event without content");
        }
    }

    private void showStart(RunStarted started) {
        closeBar();
        out.println(Wording.start(started));
        line = new TerminalLine(out, columns);
        bar = new ProgressBarBuilder()
                .setInitialMax(started.getUntilStep())
                .startsFrom(started.getFromStep(), Duration.ZERO)
                .setUpdateIntervalMillis(REDRAW_MILLIS)
                .setRenderer(BarView::render)
                .setConsumer(line)
                .build();
    }

    private void showStep(StepReport step) {
        if (bar != null) {
            bar.setExtraMessage(figures.pace());
            bar.stepTo(step.getStep());
        }
    }

    private void showCheckpoint(CheckpointCommitted checkpoint) {
        if (verbose) {
            line.printAbove(Wording.checkpoint(checkpoint));
        }
    }

    private void closeBar() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }

    /** {@code step 24/1200 [=>        ] loss …}; the bar takes what the words leave, or gives way to them. */
    private static String render(ProgressState state, int columns) {
        String steps = "step %d/%d ".formatted(state.getCurrent(), state.getMax());
        String pace = "  " + state.getExtraMessage();
        int width = columns - steps.length() - pace.length() - "[]".length();
        String drawn = width < MIN_BAR_CHARS ? "" : bar(state.getNormalizedProgress(), width);
        String whole = steps + drawn + pace;
        return whole.substring(0, Math.min(whole.length(), Math.max(columns, 0)));
    }

    private static String bar(double share, int width) {
        int filled = (int) Math.floor(Math.min(share, 1) * width);
        return "[" + "=".repeat(filled) + " ".repeat(width - filled) + "]";
    }
}

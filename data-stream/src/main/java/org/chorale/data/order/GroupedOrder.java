// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.util.Arrays;
import java.util.Comparator;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongToIntFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Every example is a sequence of its own, and the sequences of a step are of like length, so that little is padded.
 * Inside a window of whole steps, the examples are sorted from long to short and cut into steps, and the steps are
 * shuffled. Only the last window of an epoch can have a short step, which stays its last.
 */
public final class GroupedOrder implements BatchOrder {
    /** The examples of a window in the order in which they are taken. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Window(long epoch, long number, long[] examples) {}

    private final EpochOrder order;
    private final LongToIntFunction lengths;
    private final Schedule schedule;
    private final int stepsPerWindow;
    private final AtomicReference<@Nullable Window> latest = new AtomicReference<>();

    /**
     * An order of one run.
     *
     * @param lengths tokens of an example
     * @param window positions that are looked at together; rounded up to whole steps
     */
    public GroupedOrder(EpochOrder order, LongToIntFunction lengths, int globalBatch, int window) {
        this.order = order;
        this.lengths = lengths;
        this.schedule = new Schedule(order.positions(), globalBatch);
        this.stepsPerWindow = (window - 1) / globalBatch + 1;
    }

    @Override
    public StepSequences step(long step, int rank, int worldSize) {
        Positions whole = schedule.positions(step);
        Positions mine = whole.slice(rank, worldSize);
        long stepOfEpoch = whole.from() / schedule.globalBatch();
        Window window = window(whole.epoch(), stepOfEpoch / stepsPerWindow);
        int from = (int) (mine.from() - firstPosition(window.number()));
        long[][] sequences = IntStream.range(from, from + mine.count())
                .mapToObj(at -> new long[] {window.examples()[at]})
                .toArray(long[][]::new);
        return new StepSequences(schedule.epochsAfter(step), whole.largestSlice(worldSize), sequences);
    }

    @Override
    public long stepsOf(long epoch) {
        return schedule.stepsPerEpoch();
    }

    /** Neighbouring steps, and all ranks, mostly ask for the same window. */
    private Window window(long epoch, long number) {
        Window window = latest.get();
        if (window == null || window.epoch() != epoch || window.number() != number) {
            window = new Window(epoch, number, arranged(epoch, number));
            latest.set(window);
        }
        return window;
    }

    private long[] arranged(long epoch, long number) {
        long first = firstPosition(number);
        int count = (int) Math.min((long) stepsPerWindow * schedule.globalBatch(), order.positions() - first);
        long[] examples = IntStream.range(0, count)
                .mapToLong(i -> order.example(epoch, first + i))
                .toArray();
        int[] tokens = Arrays.stream(examples).mapToInt(lengths).toArray();
        long[] sorted = IntStream.range(0, count)
                .boxed()
                .sorted(Comparator.comparingInt((Integer i) -> -tokens[i])) // stable: equals stay in the epoch's order
                .mapToLong(i -> examples[i])
                .toArray();
        return stepsShuffled(sorted, epoch, number);
    }

    private long[] stepsShuffled(long[] sorted, long epoch, long number) {
        int batch = schedule.globalBatch();
        int wholeSteps = sorted.length / batch;
        long[] shuffled = sorted.clone(); // a short step stays where it is, at the end
        if (wholeSteps > 0) {
            ExampleOrder shuffle = order.within(number, wholeSteps);
            for (int step = 0; step < wholeSteps; step++) {
                System.arraycopy(sorted, (int) shuffle.example(epoch, step) * batch, shuffled, step * batch, batch);
            }
        }
        return shuffled;
    }

    private long firstPosition(long window) {
        return window * stepsPerWindow * schedule.globalBatch();
    }
}

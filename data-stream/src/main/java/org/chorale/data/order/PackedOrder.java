// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongToIntFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * A sequence is made of as many whole examples as fit into it. Inside a window of positions the examples are packed and
 * the sequences shuffled, so that a window is pure in seed, epoch and its number; a step takes the next sequences,
 * whatever window they come from.
 *
 * <p>How many sequences a window gives follows from the lengths alone: one pass over them per epoch, without the data,
 * says which step is where. Of the epochs before only their number of steps is kept.
 */
public final class PackedOrder implements BatchOrder {
    private static final int EPOCHS_KEPT = 2; // a run looks at one, and at its end at the next

    /** The sequences of a window, in the order in which they are taken. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Window(long epoch, int number, long[][] sequences) {}

    private final EpochOrder order;
    private final LongToIntFunction lengths;
    private final int sequenceTokens;
    private final int globalBatch;
    private final int window;

    /** Steps of the epochs 0 to i, at i. */
    private final List<Long> stepsUntil = new ArrayList<>();

    /** Of an epoch: sequences of the windows before each window, and at the end of all. */
    private final Map<Long, long[]> sequencesBefore = new LinkedHashMap<>();

    private final AtomicReference<@Nullable Window> latest = new AtomicReference<>();

    /**
     * An order of one run.
     *
     * @param lengths tokens of an example, 1 to {@code sequenceTokens}
     * @param sequenceTokens longest sequence
     * @param globalBatch sequences per step over all ranks
     * @param window positions that are packed together
     */
    public PackedOrder(EpochOrder order, LongToIntFunction lengths, int sequenceTokens, int globalBatch, int window) {
        this.order = order;
        this.lengths = lengths;
        this.sequenceTokens = sequenceTokens;
        this.globalBatch = globalBatch;
        this.window = window;
        if ((order.positions() - 1) / window >= Integer.MAX_VALUE - 1) {
            throw new IllegalArgumentException(
                    "%d positions in windows of %d are too many windows".formatted(order.positions(), window));
        }
    }

    @Override
    public StepSequences step(long step, int rank, int worldSize) {
        long epoch = epochOf(step);
        long[] before = sequencesBefore(epoch);
        long all = before[before.length - 1];
        long first = (step - 1 - stepsBefore(epoch)) * globalBatch;
        Positions whole = new Positions(epoch, first, (int) Math.min(globalBatch, all - first));
        Positions mine = whole.slice(rank, worldSize);
        long[][] sequences = LongStream.range(mine.from(), mine.from() + mine.count())
                .mapToObj(sequence -> sequence(epoch, before, sequence))
                .toArray(long[][]::new);
        return new StepSequences(
                epoch + (double) (first + whole.count()) / all, whole.largestSlice(worldSize), sequences);
    }

    @Override
    public long stepsOf(long epoch) {
        return stepsUntil(epoch) - stepsBefore(epoch);
    }

    /** Sequences of one epoch, from 0. */
    public long sequencesOf(long epoch) {
        long[] before = sequencesBefore(epoch);
        return before[before.length - 1];
    }

    private synchronized long epochOf(long step) {
        if (step < 1) {
            throw new IllegalArgumentException("step " + step + ": steps count from 1");
        }
        while (stepsUntil.isEmpty() || stepsUntil.get(stepsUntil.size() - 1) < step) {
            stepsUntil(stepsUntil.size());
        }
        int found = Collections.binarySearch(stepsUntil, step);
        return found >= 0 ? found : -found - 1;
    }

    private long stepsBefore(long epoch) {
        return epoch == 0 ? 0 : stepsUntil(epoch - 1);
    }

    private synchronized long stepsUntil(long epoch) {
        while (stepsUntil.size() <= epoch) {
            long[] before = sequencesBefore(stepsUntil.size());
            stepsUntil.add(stepsBefore(stepsUntil.size()) + (before[before.length - 1] - 1) / globalBatch + 1);
        }
        return stepsUntil.get((int) epoch);
    }

    private synchronized long[] sequencesBefore(long epoch) {
        long[] known = sequencesBefore.get(epoch);
        if (known == null) {
            known = counted(epoch);
            sequencesBefore.put(epoch, known);
            if (sequencesBefore.size() > EPOCHS_KEPT) {
                sequencesBefore.remove(sequencesBefore.keySet().iterator().next());
            }
        }
        return known;
    }

    /** On all cores: a window needs nothing of another. */
    private long[] counted(long epoch) {
        int windows = (int) ((order.positions() - 1) / window) + 1;
        long[] before = new long[windows + 1];
        IntStream.range(0, windows)
                .parallel()
                .forEach(number -> before[number + 1] = packed(examples(epoch, number)).length);
        Arrays.parallelPrefix(before, Long::sum);
        return before;
    }

    private long[] sequence(long epoch, long[] before, long sequence) {
        int found = Arrays.binarySearch(before, sequence);
        int number =
                found >= 0 ? found : -found - 2; // every window has a sequence, so that none begins where another does
        return window(epoch, number).sequences()[(int) (sequence - before[number])];
    }

    /** Neighbouring sequences, and all ranks, mostly ask for the same window. */
    private Window window(long epoch, int number) {
        Window known = latest.get();
        if (known == null || known.epoch() != epoch || known.number() != number) {
            known = new Window(epoch, number, shuffled(epoch, number));
            latest.set(known);
        }
        return known;
    }

    private long[][] shuffled(long epoch, int number) {
        long[] examples = examples(epoch, number);
        int[][] packed = packed(examples);
        ExampleOrder shuffle = order.within(number, packed.length);
        return IntStream.range(0, packed.length)
                .mapToObj(sequence -> IntStream.of(packed[(int) shuffle.example(epoch, sequence)])
                        .mapToLong(place -> examples[place])
                        .toArray())
                .toArray(long[][]::new);
    }

    private long[] examples(long epoch, int number) {
        long first = (long) number * window;
        return LongStream.range(first, Math.min(first + window, order.positions()))
                .map(position -> order.example(epoch, position))
                .toArray();
    }

    private int[][] packed(long[] examples) {
        return Packer.pack(Arrays.stream(examples).mapToInt(lengths).toArray(), sequenceTokens);
    }
}

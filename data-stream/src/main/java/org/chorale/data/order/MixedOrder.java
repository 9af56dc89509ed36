// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Sources that take turns by weight. Each has a permutation of its own for each of its passes, which go on over the end
 * of an epoch: no example comes again before all others of its source have come. The turn at a position follows from
 * {@link MixCycle}, and how many turns a source had in the epochs before from their number, so that nothing is carried
 * from one position to the next.
 *
 * <p>The examples of all sources are numbered through, in the order of the sources.
 */
public final class MixedOrder implements EpochOrder {
    private final ExampleOrder[] orders; // of each source
    private final long[] firstExample; // of each source
    private final MixCycle cycle;
    private final long positions;
    private final long[] turnsInEpoch; // of each source
    private final ExampleOrder whole;

    /**
     * An order of one run.
     *
     * @param seed decides the order
     * @param examples of each source, at least 1
     * @param parts of each source: its share is this over the sum; see {@link Weights}
     * @param exhausted when an epoch ends
     */
    public MixedOrder(long seed, long[] examples, int[] parts, WhenExhausted exhausted) {
        int sources = examples.length;
        cycle = new MixCycle(parts);
        firstExample = new long[sources];
        Arrays.setAll(firstExample, i -> i == 0 ? 0 : Math.addExact(firstExample[i - 1], examples[i - 1]));
        positions = positions(examples, exhausted);
        turnsInEpoch = IntStream.range(0, sources)
                .mapToLong(source -> cycle.turnsBefore(source, positions))
                .toArray();
        whole = new ExampleOrder(seed, positions);
        orders = IntStream.range(0, sources)
                .mapToObj(source -> whole.ofSource(source, examples[source]))
                .toArray(ExampleOrder[]::new);
    }

    @Override
    public long positions() {
        return positions;
    }

    @Override
    public long example(long epoch, long position) {
        if (position < 0 || position >= positions) {
            throw new IllegalArgumentException("position %d is not in [0, %d)".formatted(position, positions));
        }
        int source = cycle.source(position);
        long turn = Math.addExact(Math.multiplyExact(epoch, turnsInEpoch[source]), cycle.turn(position));
        long examples = orders[source].examples();
        return firstExample[source] + orders[source].example(turn / examples, turn % examples);
    }

    @Override
    public ExampleOrder within(long window, int count) {
        return whole.within(window, count);
    }

    /** Examples that a source gives to an epoch. */
    public long turnsInEpoch(int source) {
        return turnsInEpoch[source];
    }

    /** To the first turn that a source has nothing for any more, or to the last that a source needs to be seen whole. */
    private long positions(long[] examples, WhenExhausted exhausted) {
        return switch (exhausted) {
            case STOP ->
                each(examples)
                        .map(i -> cycle.position((int) i, examples[(int) i]))
                        .min()
                        .orElseThrow();
            case REPEAT ->
                each(examples)
                        .map(i -> 1 + cycle.position((int) i, examples[(int) i] - 1))
                        .max()
                        .orElseThrow();
        };
    }

    private static LongStream each(long[] examples) {
        return LongStream.range(0, examples.length);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

/**
 * The order in which a run sees its examples: a pseudo-random permutation of {@code [0, examples)} for every epoch,
 * computed one position at a time, so that no shuffled list is held and a cursor is a number.
 *
 * <p>A balanced Feistel network (Luby and Rackoff 1988) permutes the smallest range of {@code 2^(2h)} numbers that
 * holds all examples; a result beyond the last example is put through it again ("cycle walking", Black and Rogaway
 * 2002), which ends because a permutation's cycle comes back to its start. The range is less than four times as large,
 * so that fewer than four rounds of walking are needed on average.
 *
 * @param seed decides the order
 * @param examples how many there are, at least 1
 */
public record ExampleOrder(long seed, long examples) implements EpochOrder {
    /** Luby-Rackoff needs four; more because the round function is a fast mixer and not a cipher. */
    private static final int ROUNDS = 8;

    /** Halves of fewer bits would leave too few round functions to draw from. */
    private static final int MIN_HALF_BITS = 4;

    private static final long MAX_EXAMPLES = 1L << 60;
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    public ExampleOrder {
        if (examples < 1 || examples > MAX_EXAMPLES) {
            throw new IllegalArgumentException(examples + " examples cannot be ordered: must be 1 to 2^60");
        }
    }

    @Override
    public long positions() {
        return examples;
    }

    @Override
    public long example(long epoch, long position) {
        refuseOutside("position", position);
        long key = key(epoch);
        long example = position;
        do {
            example = permute(example, halfBits(), key);
        } while (example >= examples);
        return example;
    }

    /** The position of an example in an epoch: the inverse of {@link #example}. */
    long position(long epoch, long example) {
        refuseOutside("example", example);
        long key = key(epoch);
        long position = example;
        do {
            position = permuteBack(position, halfBits(), key);
        } while (position >= examples);
        return position;
    }

    /** An order of the examples of one of several sources, which depends on the seed too. */
    ExampleOrder ofSource(int source, long count) {
        return new ExampleOrder(mix(mix(seed + GOLDEN_GAMMA) ^ mix(source + GOLDEN_GAMMA)), count);
    }

    @Override
    public ExampleOrder within(long window, int count) {
        return new ExampleOrder(mix(mix(seed) ^ mix(window + GOLDEN_GAMMA)), count);
    }

    private void refuseOutside(String what, long number) {
        if (number < 0 || number >= examples) {
            throw new IllegalArgumentException("%s %d is not in [0, %d)".formatted(what, number, examples));
        }
    }

    private int halfBits() {
        return Math.max(MIN_HALF_BITS, (Long.SIZE - Long.numberOfLeadingZeros(examples - 1) + 1) / 2);
    }

    private long key(long epoch) {
        return mix(mix(seed) + epoch * GOLDEN_GAMMA);
    }

    private static long permute(long value, int halfBits, long key) {
        long mask = (1L << halfBits) - 1;
        long left = value >>> halfBits;
        long right = value & mask;
        for (int round = 1; round <= ROUNDS; round++) {
            long next = left ^ (mix(key + round * GOLDEN_GAMMA + mix(right)) & mask);
            left = right;
            right = next;
        }
        return left << halfBits | right;
    }

    /** The rounds in reverse, each undone by its own round function. */
    private static long permuteBack(long value, int halfBits, long key) {
        long mask = (1L << halfBits) - 1;
        long left = value >>> halfBits;
        long right = value & mask;
        for (int round = ROUNDS; round >= 1; round--) {
            long before = right ^ (mix(key + round * GOLDEN_GAMMA + mix(left)) & mask);
            right = left;
            left = before;
        }
        return left << halfBits | right;
    }

    /** The finalizer of SplitMix64 (Steele, Lea and Flood 2014): a bijection in which every bit depends on every bit. */
    private static long mix(long z) {
        long a = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        long b = (a ^ a >>> 27) * 0x94D049BB133111EBL;
        return b ^ b >>> 31;
    }
}

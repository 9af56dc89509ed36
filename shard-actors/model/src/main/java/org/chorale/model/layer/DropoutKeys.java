// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

/**
 * What dropout is keyed by, apart from the layer: a key for each row of a forward pass, made of seed, step, sample and
 * the token's place in the sample. So recomputation, other cuts into micro-batches and other ranks repeat the masks.
 */
public final class DropoutKeys {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private final long[] rows;

    private DropoutKeys(long[] rows) {
        this.rows = rows;
    }

    /**
     * @param samples B, the index of each sequence in the run: no two sequences of a step share one
     * @param tokens T, of each sequence, padding included
     */
    public static DropoutKeys of(long seed, long step, long[] samples, int tokens) {
        long[] rows = new long[Math.multiplyExact(samples.length, tokens)];
        long run = mix(mix(seed) + step);
        for (int i = 0; i < samples.length; i++) {
            long sequence = mix(run + samples[i]);
            for (int t = 0; t < tokens; t++) {
                rows[i * tokens + t] = mix(sequence + t);
            }
        }
        return new DropoutKeys(rows);
    }

    /** Those of some rows, in that order. */
    DropoutKeys select(long[] chosen) {
        long[] keys = new long[chosen.length];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = rows[(int) chosen[i]];
        }
        return new DropoutKeys(keys);
    }

    /** A key per row for one layer, [R]. */
    int[] ofLayer(long layer) {
        int[] keys = new int[rows.length];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = (int) mix(rows[i] ^ layer);
        }
        return keys;
    }

    /** A key per feature for one layer, [features]. */
    static int[] ofFeatures(long layer, long features) {
        int[] keys = new int[Math.toIntExact(features)];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = (int) mix(mix(layer) + i);
        }
        return keys;
    }

    /** A step of SplitMix64 (Steele, Lea and Flood 2014): a bijection whose output bits all depend on all input bits. */
    static long mix(long key) {
        long z = key + GOLDEN_GAMMA;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}

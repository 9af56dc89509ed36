// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

/** How many threads make up a block. */
final class Blocks {
    static final int MAX_THREADS = 1024;

    private static final int WARP = 32;

    private Blocks() {}

    /** A thread for each access to a row, in whole warps, up to a limit beyond which threads access several times. */
    static int threads(long accesses, int most) {
        return (int) Math.min(most, ceilDiv(accesses, WARP) * WARP);
    }

    static long ceilDiv(long dividend, long divisor) {
        return (dividend + divisor - 1) / divisor;
    }
}

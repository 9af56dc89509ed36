// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * A mixture and its rows.
 *
 * @param rows R
 * @param width D
 * @param inner F
 * @param experts E
 * @param chosen k
 * @param rank of adapters on all linears; 0 for none
 * @param sole whether all rows are sent to the second expert
 */
record MixtureCase(int rows, int width, int inner, int experts, int chosen, int rank, boolean sole) {
    private static final int ACCESS = 8; // bf16 numbers of 16 bytes
    private static final int MOST_ROWS = 3_000;
    private static final int MOST_WIDTH = 1_024;
    private static final int MOST_EXPERTS = 140;
    private static final int MOST_CHOSEN = 8;
    private static final int[] RANKS = {0, 0, 4, 8, 16}; // of 4, whose rows are narrower than an access, the host waits

    /** One token, one expert, all rows to one, more experts than rows, gradients in several parts; then random ones. */
    static List<MixtureCase> of(Random random, int count) {
        List<MixtureCase> cases = new ArrayList<>(List.of(
                new MixtureCase(1, 64, 128, 8, 2, 0, false),
                new MixtureCase(33, 64, 128, 1, 1, 0, false),
                new MixtureCase(300, 128, 72, 8, 1, 0, true),
                new MixtureCase(300, 128, 72, 8, 1, 16, true),
                new MixtureCase(5, 256, 64, 128, 4, 8, false),
                new MixtureCase(512, 1_024, 768, 128, 8, 0, false)));
        IntStream.range(0, count).mapToObj(i -> drawn(random)).forEach(cases::add);
        return cases;
    }

    private static MixtureCase drawn(Random random) {
        int experts = 1 + random.nextInt(MOST_EXPERTS);
        return new MixtureCase(
                1 + random.nextInt(MOST_ROWS),
                ACCESS * (1 + random.nextInt(MOST_WIDTH / ACCESS)),
                ACCESS * (1 + random.nextInt(MOST_WIDTH / ACCESS)),
                experts,
                1 + random.nextInt(Math.min(experts, MOST_CHOSEN)),
                RANKS[random.nextInt(RANKS.length)],
                false);
    }

    /** Of a forward and a backward: additions and multiplications of the experts' own matrices. */
    double operations() {
        return 3.0 * 2 * rows * chosen * 3 * width * inner;
    }

    /** Whether the host need not wait for the device. */
    boolean aligned() {
        return rank % ACCESS == 0;
    }

    @Override
    public String toString() {
        return "[%d, %d], %d of %d experts of %d%s%s"
                .formatted(
                        rows,
                        width,
                        chosen,
                        experts,
                        inner,
                        rank == 0 ? "" : ", rank " + rank,
                        sole ? ", all to one" : "");
    }
}

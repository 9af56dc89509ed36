// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.time.Duration;
import java.util.Collection;
import java.util.stream.Collectors;

/** How messages name ranks and waits. */
final class Ranks {
    private Ranks() {}

    /** "rank 2" or "ranks 0, 2". */
    static String name(Collection<Integer> ranks) {
        return (ranks.size() == 1 ? "rank " : "ranks ")
                + ranks.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }

    /** "1.5 s". */
    static String seconds(Duration duration) {
        return duration.toMillis() / 1000.0 + " s";
    }
}

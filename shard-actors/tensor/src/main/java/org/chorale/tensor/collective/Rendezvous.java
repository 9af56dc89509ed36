// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.nio.file.Path;
import java.time.Duration;

/**
 * Where the ranks of one generation meet.
 *
 * @param folder empty at first, seen by all ranks under this name or another, and used by one generation alone
 * @param host this rank's own address, which the others reach it at: the only one that it listens on
 * @param timeout the longest wait for the others, when joining and in every operation
 */
public record Rendezvous(Path folder, String host, Duration timeout) {
    private static final Duration LONGEST = Duration.ofDays(1);

    public Rendezvous {
        if (timeout.isNegative() || timeout.isZero() || timeout.compareTo(LONGEST) > 0) {
            throw new IllegalArgumentException("a rendezvous waits for a millisecond to a day, not for " + timeout);
        }
        if (host.isBlank()) {
            throw new IllegalArgumentException("a rendezvous needs the address to listen on, which is blank");
        }
    }
}

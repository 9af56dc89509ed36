// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Stretches of time in microseconds that do not touch each other, in order.
 *
 * @param all each with an end after its start
 */
record Intervals(List<Interval> all) {
    /** From and up to. */
    record Interval(double start, double end) {
        double length() {
            return end - start;
        }

        /** What both have; empty where they do not meet. */
        Optional<Interval> meet(Interval other) {
            double from = Math.max(start, other.start);
            double to = Math.min(end, other.end);
            return from < to ? Optional.of(new Interval(from, to)) : Optional.empty();
        }
    }

    Intervals {
        all = List.copyOf(all);
    }

    /** All time that any of these has, in whatever order they are. */
    static Intervals union(List<Interval> parts) {
        List<Interval> merged = new ArrayList<>();
        parts.stream()
                .filter(part -> part.length() > 0)
                .sorted(Comparator.comparingDouble(Interval::start))
                .forEach(part -> {
                    Interval last = merged.isEmpty() ? null : merged.get(merged.size() - 1);
                    if (last != null && part.start() <= last.end()) {
                        merged.set(merged.size() - 1, new Interval(last.start(), Math.max(last.end(), part.end())));
                    } else {
                        merged.add(part);
                    }
                });
        return new Intervals(merged);
    }

    double length() {
        return all.stream().mapToDouble(Interval::length).sum();
    }

    /** The time that both have. */
    Intervals meet(Intervals other) {
        List<Interval> both = new ArrayList<>();
        int i = 0;
        int j = 0;
        while (i < all.size() && j < other.all.size()) {
            Interval mine = all.get(i);
            Interval theirs = other.all.get(j);
            mine.meet(theirs).ifPresent(both::add);
            if (mine.end() < theirs.end()) {
                i++;
            } else {
                j++;
            }
        }
        return new Intervals(both);
    }

    /** The longest time within a stretch that these have nothing of. */
    double longestGap(Interval within) {
        double longest = 0;
        double from = within.start();
        for (Interval interval : meet(new Intervals(List.of(within))).all) {
            longest = Math.max(longest, interval.start() - from);
            from = interval.end();
        }
        return Math.max(longest, within.end() - from);
    }
}

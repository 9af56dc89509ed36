// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What has come back of a question to several ranks.
 *
 * @param asked ranks, ascending
 * @param given by rank
 */
record Answers<T>(List<Integer> asked, Map<Integer, T> given) {
    Answers {
        asked = List.copyOf(asked);
        given = Map.copyOf(given);
    }

    static <T> Answers<T> of(List<Integer> asked) {
        return new Answers<>(asked, Map.of());
    }

    /** Whether an answer of this rank is waited for; a second one is not, nor one of a rank that was not asked. */
    boolean lacks(int rank) {
        return asked.contains(rank) && !given.containsKey(rank);
    }

    Answers<T> with(int rank, T answer) {
        Map<Integer, T> more = new TreeMap<>(given);
        more.put(rank, answer);
        return new Answers<>(asked, more);
    }

    boolean complete() {
        return given.size() == asked.size();
    }

    /** Ranks that still owe an answer. */
    List<Integer> missing() {
        return asked.stream().filter(rank -> !given.containsKey(rank)).toList();
    }

    /** By rank, once all are there. */
    List<T> inOrder() {
        List<T> all = new ArrayList<>();
        asked.forEach(rank -> all.add(given.get(rank)));
        return all;
    }
}

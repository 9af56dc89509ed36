// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.order;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Puts documents into sequences by best fit, longest first: at most 11/9 of the fewest sequences that are possible, and
 * one (Johnson 1974).
 */
final class Packer {
    private final int[] lengths;
    private final List<List<Integer>> sequences = new ArrayList<>();

    /** Sequences by the tokens that still fit; of equals the oldest first. */
    private final TreeMap<Integer, Deque<Integer>> byRoom = new TreeMap<>();

    private Packer(int[] lengths) {
        this.lengths = lengths;
    }

    /**
     * Packs documents.
     *
     * @param lengths tokens of each document, 1 to {@code capacity}
     * @param capacity tokens of a sequence
     * @return for each sequence the places of its documents in {@code lengths}, in rising order
     */
    static int[][] pack(int[] lengths, int capacity) {
        Packer packer = new Packer(lengths);
        IntStream.range(0, lengths.length)
                .boxed()
                .sorted(Comparator.comparingInt((Integer i) -> -lengths[i]))
                .forEach(document -> packer.place(document, capacity));
        return packer.sequences.stream()
                .map(documents -> documents.stream().mapToInt(i -> i).sorted().toArray())
                .toArray(int[][]::new);
    }

    private void place(int document, int capacity) {
        int length = lengths[document];
        if (length < 1 || length > capacity) {
            throw new IllegalArgumentException("a document of %d tokens, a sequence of %d".formatted(length, capacity));
        }
        Map.Entry<Integer, Deque<Integer>> tightest = byRoom.ceilingEntry(length);
        if (tightest == null) {
            sequences.add(new ArrayList<>(List.of(document)));
            offer(sequences.size() - 1, capacity - length);
            return;
        }
        int sequence = tightest.getValue().remove();
        if (tightest.getValue().isEmpty()) {
            byRoom.remove(tightest.getKey());
        }
        sequences.get(sequence).add(document);
        offer(sequence, tightest.getKey() - length);
    }

    private void offer(int sequence, int room) {
        if (room > 0) {
            byRoom.computeIfAbsent(room, none -> new ArrayDeque<>()).add(sequence);
        }
    }
}

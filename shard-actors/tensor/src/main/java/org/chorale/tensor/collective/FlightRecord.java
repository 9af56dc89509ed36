// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The last operations of a group on a GPU, and how far the GPU is with them. They end in the order in which they began,
 * so that one look at the oldest that has not ended tells most. Every method may be called from any thread.
 */
final class FlightRecord {
    private static final int CAPACITY = 1_000;

    private final String group;
    private final Deque<Entry> entries = new ArrayDeque<>(); // the oldest first
    private final Deque<Entry> underWay = new ArrayDeque<>(); // likewise, those that were not seen to have ended
    private long begun;

    /** How far an operation is, asked without waiting. */
    interface Progress extends AutoCloseable {
        /** Whether all is done that stood before the operation on its caller's stream. */
        boolean isReady();

        boolean isDone();

        /** Called once, when it was seen to be done or the record is closed. */
        @Override
        void close();
    }

    private final class Entry {
        private final long number;
        private final String operation;
        private final long bytes;
        private final String type;
        private final Progress progress;
        private final Instant begunAt = Instant.now();
        private @Nullable Instant startedAt;
        private @Nullable Instant endedAt;
        private long startedNanos;

        Entry(long number, String operation, long bytes, String type, Progress progress) {
            this.number = number;
            this.operation = operation;
            this.bytes = bytes;
            this.type = type;
            this.progress = progress;
        }

        Flight flight() {
            return new Flight(group, number, operation, bytes, type, begunAt, startedAt, endedAt);
        }
    }

    FlightRecord(String group) {
        this.group = group;
    }

    /**
     * Writes an operation down that has been enqueued.
     *
     * @return its number in the group
     */
    synchronized long add(String operation, long bytes, String type, Progress progress) {
        look();
        Entry entry = new Entry(++begun, operation, bytes, type, progress);
        entries.add(entry);
        underWay.add(entry);
        if (entries.size() > CAPACITY) {
            entries.remove();
        }
        return entry.number;
    }

    /** Looks how far the GPU is. */
    synchronized void look() {
        while (!underWay.isEmpty() && seenToEnd(underWay.element())) {
            underWay.remove();
        }
    }

    private static boolean seenToEnd(Entry oldest) {
        boolean done = oldest.progress.isDone();
        if (oldest.startedAt == null && (done || oldest.progress.isReady())) {
            oldest.startedAt = Instant.now();
            oldest.startedNanos = System.nanoTime();
        }
        if (done) {
            oldest.endedAt = Instant.now();
            oldest.progress.close();
        }
        return done;
    }

    /** The operation that has run for longer than this, if one has. */
    synchronized Optional<Flight> late(Duration timeout) {
        look();
        return Optional.ofNullable(underWay.peek())
                .filter(oldest ->
                        oldest.startedAt != null && System.nanoTime() - oldest.startedNanos > timeout.toNanos())
                .map(Entry::flight);
    }

    synchronized List<Flight> flights() {
        look();
        return entries.stream().map(Entry::flight).toList();
    }

    /** Looks at nothing any more. */
    synchronized void close() {
        underWay.forEach(entry -> entry.progress.close());
        underWay.clear();
    }
}

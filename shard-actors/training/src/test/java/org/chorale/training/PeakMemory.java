// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** The most anonymous memory, heap and native, that this process has while it is open: read a thousand times a second. */
final class PeakMemory implements AutoCloseable {
    private static final long INTERVAL_NANOS = 1_000_000;

    private final Thread sampler = new Thread(this::sample, "peak-memory");
    private volatile boolean closed;
    private volatile long peakKilobytes = rssAnonKilobytes();

    PeakMemory() {
        sampler.setDaemon(true);
        sampler.start();
    }

    private void sample() {
        while (!closed) {
            peakKilobytes = Math.max(peakKilobytes, rssAnonKilobytes());
            LockSupport.parkNanos(INTERVAL_NANOS);
        }
    }

    /** Ends the sampling. */
    long peakKilobytes() {
        close();
        return Math.max(peakKilobytes, rssAnonKilobytes());
    }

    static long rssAnonKilobytes() {
        return sum(Path.of("/proc/self/status"), "RssAnon:");
    }

    /** How much of a file is mapped and read. */
    static long mappedKilobytes(Path file) {
        List<String> maps = lines(Path.of("/proc/self/smaps"));
        long mapped = 0;
        boolean ofFile = false;
        for (String line : maps) {
            if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                ofFile = line.endsWith(file.toString());
            } else if (ofFile && line.startsWith("Rss:")) {
                mapped += number(line);
            }
        }
        return mapped;
    }

    @Override
    public void close() {
        closed = true;
        try {
            sampler.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static long sum(Path status, String field) {
        return lines(status).stream()
                .filter(line -> line.startsWith(field))
                .mapToLong(PeakMemory::number)
                .sum();
    }

    private static long number(String line) {
        return Long.parseLong(line.replaceAll("\\D", ""));
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

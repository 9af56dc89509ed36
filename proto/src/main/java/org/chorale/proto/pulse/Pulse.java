// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.pulse;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.LongSupplier;
import org.chorale.proto.config.ConfigReader;

/**
 * Tells threads that work from threads that hang, by the processor time that they took: one that computes, reads or
 * writes takes some, one that waits for what never comes takes none.
 */
public final class Pulse {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    /** So often within {@code run.progress-timeout} a pulse is felt, so that one that is late is not taken for silence. */
    private static final int PER_TIMEOUT = 4;

    /** Or else so often, for whoever watches. */
    private static final Duration LONGEST_INTERVAL = Duration.ofSeconds(1);

    /** The key {@code run.progress-timeout}. */
    public record Patience(Duration progressTimeout) {}

    private final LongSupplier cpuNanos;
    private long before;

    private Pulse(LongSupplier cpuNanos) {
        this.cpuNanos = cpuNanos;
        this.before = cpuNanos.getAsLong();
    }

    /** That of one thread. */
    public static Pulse of(Thread thread) {
        long id = thread.getId();
        return new Pulse(() -> THREADS.getThreadCpuTime(id));
    }

    /** That of all threads whose names contain this, such as those of a dispatcher, whether they are there yet or not. */
    public static Pulse ofThreadsNamed(String part) {
        return new Pulse(() -> Arrays.stream(THREADS.getThreadInfo(THREADS.getAllThreadIds()))
                .filter(Objects::nonNull) // ended meanwhile
                .filter(thread -> thread.getThreadName().contains(part))
                .mapToLong(ThreadInfo::getThreadId)
                .map(THREADS::getThreadCpuTime)
                .sum());
    }

    /** How often to feel it in the run of this configuration. */
    public static Duration interval(String runConf) {
        return interval(ConfigReader.read(runConf, "run", Patience.class).progressTimeout());
    }

    /** How often to feel it in a run that gives up after so long a silence. */
    public static Duration interval(Duration progressTimeout) {
        Duration part = progressTimeout.dividedBy(PER_TIMEOUT);
        return part.compareTo(LONGEST_INTERVAL) < 0 ? part : LONGEST_INTERVAL;
    }

    /** Whether the threads have worked since this was asked last, or since the pulse was made. */
    public boolean beats() {
        long now = cpuNanos.getAsLong();
        boolean worked = now != before; // of several threads one that took much may have ended
        before = now;
        return worked;
    }
}

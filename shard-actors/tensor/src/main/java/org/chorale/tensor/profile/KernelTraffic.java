// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Says of NCCL's kernels which operation each of them is, since CUPTI knows no more than their names: NCCL runs an
 * operation as one kernel on the stream of its group, in the order of the calls.
 *
 * <p>Kernels of operations from before the recording may stand in front, and the last operations may have none yet. So
 * the two are laid beside each other with as few kernels left over in front as lets all names and times fit, and where
 * they do not fit, no kernel of that stream is said to be any operation.
 */
final class KernelTraffic {
    /** Operations that nobody has waited for when the recording ends: what is gathered ahead. */
    static final int MOST_UNDONE = 8;

    /** By which the clocks of host and GPU may differ. */
    private static final long CLOCKS_NANOS = 100_000;

    /** What stands in a kernel's name; a kernel for all operations has none of these. */
    private static final Map<String, String> WORDS = Map.of(
            "allGather", "AllGather",
            "reduceScatter", "ReduceScatter",
            "allReduce", "AllReduce",
            "barrier", "AllReduce",
            "broadcast", "Broadcast",
            "send", "SendRecv",
            "receive", "SendRecv");

    private final Map<Lane, List<Enqueued>> streams = new HashMap<>();

    /** @param startNanos when its call began, before which it cannot run */
    private record Enqueued(Traffic traffic, long startNanos) {
        boolean fits(Span kernel) {
            return kernel.startNanos() + CLOCKS_NANOS >= startNanos
                    && (WORDS.values().stream().noneMatch(kernel.name()::contains)
                            || kernel.name().contains(WORDS.getOrDefault(traffic.operation(), traffic.operation())));
        }
    }

    /**
     * Notes the next operation of a stream.
     *
     * @param kernels those of the stream
     * @param startNanos when its call began
     */
    void add(Lane kernels, Traffic traffic, long startNanos) {
        streams.computeIfAbsent(kernels, lane -> new ArrayList<>()).add(new Enqueued(traffic, startNanos));
    }

    void clear() {
        streams.clear();
    }

    /** The same spans, of which kernels have the operations that they are. */
    List<Span> onto(List<Span> spans) {
        IdentityHashMap<Span, Traffic> found = new IdentityHashMap<>();
        Map<Lane, List<Span>> kernels = spans.stream()
                .filter(span -> streams.containsKey(span.lane()) && isNccls(span))
                .sorted(Comparator.comparingLong(Span::startNanos))
                .collect(Collectors.groupingBy(Span::lane));
        kernels.forEach((lane, ran) -> match(streams.getOrDefault(lane, List.of()), ran, found));
        return spans.stream().map(span -> said(span, found.get(span))).toList();
    }

    private static void match(List<Enqueued> operations, List<Span> kernels, IdentityHashMap<Span, Traffic> found) {
        int most = kernels.size() - operations.size() + MOST_UNDONE;
        OptionalInt before = IntStream.rangeClosed(0, most)
                .filter(skipped -> fit(operations, kernels, skipped))
                .findFirst();
        before.ifPresent(skipped -> IntStream.range(0, pairs(operations, kernels, skipped))
                .forEach(i ->
                        found.put(kernels.get(skipped + i), operations.get(i).traffic())));
    }

    private static boolean fit(List<Enqueued> operations, List<Span> kernels, int skipped) {
        return IntStream.range(0, pairs(operations, kernels, skipped))
                .allMatch(i -> operations.get(i).fits(kernels.get(skipped + i)));
    }

    private static int pairs(List<Enqueued> operations, List<Span> kernels, int skipped) {
        return Math.min(operations.size(), kernels.size() - skipped);
    }

    private static Span said(Span span, @Nullable Traffic traffic) {
        return traffic == null ? span : span.with(traffic);
    }

    private static boolean isNccls(Span span) {
        return span.name().toLowerCase(Locale.ROOT).contains("nccl");
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.List;
import java.util.stream.Stream;
import org.chorale.bench.Intervals.Interval;
import org.chorale.bench.Trace.Event;
import org.chorale.tensor.profile.Lane.Kind;

/**
 * Where a step's time went, in microseconds of the GPU: what ran between the end of the step before and its own.
 *
 * @param wall from end to end
 * @param busy in which any kernel or copy ran
 * @param longestGap in which none did
 * @param communication in which NCCL's kernels ran
 * @param hidden of that, in which other kernels ran too
 * @param launches calls of CUDA that launch a kernel, and how long the host was in them
 * @param waits calls of CUDA in which the host waited for the GPU
 */
record StepAccount(
        String name,
        double wall,
        double busy,
        double longestGap,
        double communication,
        double hidden,
        int launches,
        double launching,
        List<Event> waits) {
    static StepAccount of(Event step, Trace trace) {
        Interval within = step.interval();
        Intervals window = new Intervals(List.of(within));
        List<Event> kernels = trace.of(Kind.KERNEL);
        Intervals device = union(Stream.concat(kernels.stream(), trace.of(Kind.COPY).stream()));
        Intervals communication =
                union(kernels.stream().filter(StepAccount::communicates)).meet(window);
        Intervals others = union(kernels.stream().filter(kernel -> !communicates(kernel)));
        List<Event> launches = begunIn(within, trace.of(Kind.CALL)).stream()
                .filter(call -> call.name().startsWith("cudaLaunch"))
                .toList();
        return new StepAccount(
                step.name(),
                within.length(),
                device.meet(window).length(),
                device.longestGap(within),
                communication.length(),
                communication.meet(others).length(),
                launches.size(),
                launches.stream().mapToDouble(Event::length).sum(),
                begunIn(within, trace.of(Kind.WAIT)));
    }

    static List<Event> begunIn(Interval within, List<Event> events) {
        return events.stream()
                .filter(event -> event.start() >= within.start() && event.start() < within.end())
                .toList();
    }

    private static boolean communicates(Event kernel) {
        return KernelFamily.of(kernel.name()) == KernelFamily.NCCL;
    }

    private static Intervals union(Stream<Event> events) {
        return Intervals.union(events.map(Event::interval).toList());
    }
}

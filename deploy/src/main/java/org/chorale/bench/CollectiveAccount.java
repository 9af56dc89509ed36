// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.chorale.bench.Trace.Event;
import org.chorale.tensor.profile.Lane.Kind;
import org.chorale.tensor.profile.Traffic;

/**
 * What NCCL's kernels of one operation took in the steps of a timeline. A kernel that waits for a slower peer runs
 * meanwhile, so the best of them tells what the wires give, and the median what a step gets.
 *
 * @param name the operation, among how many ranks
 * @param largestAlone whether only the kernels that moved the most are counted, of an operation that has smaller ones
 * @param fewestBytes that a kernel moved: of a gather or a scatter the whole of all ranks
 * @param mostBytes likewise
 * @param micros that kernels took; the best is the shortest
 * @param busBytes a second, of each kernel by itself; the best is the most
 * @param sumMicros of all kernels, which run one after the other
 * @param hiddenMicros of these, in which other kernels ran too
 */
record CollectiveAccount(
        String name,
        boolean largestAlone,
        int kernels,
        long fewestBytes,
        long mostBytes,
        Spread micros,
        Spread busBytes,
        double sumMicros,
        double hiddenMicros) {
    /**
     * Of some figures.
     *
     * @param late what nine in ten are as good as
     */
    record Spread(double best, double median, double late) {
        /** @param bestFirst the figures, one at least */
        private static Spread of(double[] bestFirst) {
            return new Spread(
                    bestFirst[0], Medians.median(bestFirst), bestFirst[(int) Math.ceil(0.9 * bestFirst.length) - 1]);
        }
    }

    /**
     * All operations of a timeline's steps, each with all its kernels and then, where it has several sizes, with its
     * largest alone.
     */
    static List<CollectiveAccount> of(Trace trace) {
        Intervals others = Intervals.union(trace.of(Kind.KERNEL).stream()
                .filter(kernel -> !isNccls(kernel))
                .map(Event::interval)
                .toList());
        List<CollectiveAccount> accounts = new ArrayList<>();
        byName(trace).forEach((name, kernels) -> {
            accounts.add(of(name, false, kernels, others));
            List<Event> largest = kernels.stream()
                    .filter(kernel -> bytes(kernel) == accounts.get(accounts.size() - 1).mostBytes)
                    .toList();
            if (largest.size() < kernels.size()) {
                accounts.add(of(name, true, largest, others));
            }
        });
        return accounts;
    }

    /** NCCL's kernels of a timeline's steps of which nothing but the name is known. */
    static List<Event> withoutBytes(Trace trace) {
        return inSteps(trace).stream()
                .filter(kernel -> kernel.traffic() == null)
                .toList();
    }

    /** From 0 to 1. */
    double hidden() {
        return hiddenMicros / sumMicros;
    }

    private static Map<String, List<Event>> byName(Trace trace) {
        return inSteps(trace).stream()
                .filter(kernel -> kernel.traffic() != null)
                .collect(Collectors.groupingBy(CollectiveAccount::name, TreeMap::new, Collectors.toList()));
    }

    private static List<Event> inSteps(Trace trace) {
        List<Event> kernels = trace.of(Kind.KERNEL).stream()
                .filter(CollectiveAccount::isNccls)
                .toList();
        return trace.of(Kind.STEP).stream()
                .flatMap(step -> StepAccount.begunIn(step.interval(), kernels).stream())
                .toList();
    }

    private static CollectiveAccount of(String name, boolean largestAlone, List<Event> kernels, Intervals others) {
        Intervals own = Intervals.union(kernels.stream().map(Event::interval).toList());
        return new CollectiveAccount(
                name,
                largestAlone,
                kernels.size(),
                kernels.stream().mapToLong(CollectiveAccount::bytes).min().orElseThrow(),
                kernels.stream().mapToLong(CollectiveAccount::bytes).max().orElseThrow(),
                Spread.of(sorted(kernels, Event::length)),
                Spread.of(reversed(sorted(kernels, CollectiveAccount::busBytesPerSecond))),
                own.length(),
                own.meet(others).length());
    }

    private static double[] sorted(List<Event> kernels, ToDoubleFunction<Event> figure) {
        return kernels.stream().mapToDouble(figure).sorted().toArray();
    }

    private static double[] reversed(double[] rising) {
        double[] falling = new double[rising.length];
        for (int i = 0; i < rising.length; i++) {
            falling[i] = rising[rising.length - 1 - i];
        }
        return falling;
    }

    /**
     * As NVIDIA's nccl-tests count ({@code busbw}): what a link has to carry, whichever way it is done. Of n ranks that
     * is (n − 1) / n of the whole for a gather or a scatter, and twice as much for an all-reduce, which is both.
     */
    private static double busBytesPerSecond(Event kernel) {
        Traffic traffic = traffic(kernel);
        double others = (traffic.ranks() - 1.0) / traffic.ranks();
        double share = switch (traffic.operation()) {
            case "allGather", "reduceScatter" -> others;
            case "allReduce", "barrier" -> 2 * others;
            default -> 1; // from one rank to others
        };
        return traffic.bytes() * share / kernel.length() * 1e6;
    }

    private static String name(Event kernel) {
        return traffic(kernel).operation() + " of " + traffic(kernel).ranks();
    }

    private static long bytes(Event kernel) {
        return traffic(kernel).bytes();
    }

    private static Traffic traffic(Event kernel) {
        return Objects.requireNonNull(kernel.traffic());
    }

    private static boolean isNccls(Event kernel) {
        return KernelFamily.of(kernel.name()) == KernelFamily.NCCL;
    }
}

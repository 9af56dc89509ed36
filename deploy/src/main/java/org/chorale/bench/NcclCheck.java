// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.collective.Flight;
import org.chorale.tensor.device.Device;

/**
 * Checks the collectives of several GPUs of one machine, a process each: every operation against arithmetic on the host,
 * bandwidth, and twice the death of a rank while the others wait for it. First the survivors are told, then they notice
 * by themselves; each time a new process takes the dead one's place, in a new group with the survivors' old processes.
 *
 * <p>Prints a line for each check, goes on after a failure, and exits with 1 if there was one. Arguments: the number of
 * GPUs, and {@code cpu} to try the program itself without any, or {@code cuda-shared} on one that all ranks share.
 */
public final class NcclCheck {
    private static final int DIES = 42;
    private static final long MINUTES = 5;
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final long[] LENGTHS = {1, 1_000, 1_048_579};
    private static final double ALLOWED_SECONDS = 1;

    private final RankPlace place;
    private final List<String> failures = new ArrayList<>();

    private NcclCheck(RankPlace place) {
        this.place = place;
    }

    /** Without a folder of {@link RankProcesses} in front of them, starts all ranks. */
    public static void main(String[] arguments) throws Exception {
        RankDevices devices = RankDevices.among(Arrays.asList(arguments));
        if (arguments.length < 3) {
            int worldSize = arguments.length == 0 ? 2 : Integer.parseInt(arguments[0]);
            System.exit(startAll(worldSize, devices));
        }
        RankPlace place = RankPlace.of(arguments, devices);
        place.device().bind();
        NcclCheck check = new NcclCheck(place);
        check.run(Integer.parseInt(arguments[arguments.length - 1]));
        System.exit(check.failures.isEmpty() ? 0 : 1);
    }

    /** The last rank dies at the end of each phase but the last, and another one begins with the next. */
    private static int startAll(int worldSize, RankDevices devices) throws Exception {
        try (RankProcesses ranks = new RankProcesses(NcclCheck.class, worldSize, devices, List.of(devices.word()))) {
            List<Process> survivors = new ArrayList<>();
            for (int rank = 0; rank < worldSize - 1; rank++) {
                survivors.add(ranks.start(rank, "1"));
            }
            int code = 0;
            for (String phase : List.of("1", "2", "3")) {
                int ended = RankProcesses.await(List.of(ranks.start(worldSize - 1, phase)), MINUTES);
                code = Math.max(code, ended == DIES ? 0 : ended);
            }
            code = Math.max(code, RankProcesses.await(survivors, MINUTES));
            System.out.println(code == 0 ? "all is well" : "there were failures");
            return code == 0 ? 0 : 1;
        }
    }

    private void run(int firstPhase) {
        if (firstPhase <= 1) {
            checkOperations();
            die("told by others", place.joinAlone("dies-1"));
        }
        if (firstPhase <= 2) {
            die("noticed", place.join("dies-2"));
        }
        long started = System.nanoTime();
        try (TensorScope scope = new TensorScope();
                Collectives group = place.join("last")) {
            Tensor values = place.device().zeros(ScalarType.Float, 1 << 20);
            group.allReduce(values, Reduction.SUM).await();
            place.device().await();
            say("a new group after the deaths, to its first all-reduce: %.2f s", secondsSince(started));
            check(
                    group,
                    "all-reduce after the deaths",
                    () -> new CollectiveCases(group, place.device()).allReduce(ScalarType.Float, 1_000, Reduction.SUM));
        } catch (RuntimeException e) {
            fail("the last group: " + e);
        }
    }

    private void checkOperations() {
        long started = System.nanoTime();
        try (Collectives group = place.join("operations")) {
            say("%d ranks have joined: %.2f s", group.worldSize(), secondsSince(started));
            CollectiveCases cases = new CollectiveCases(group, place.device());
            for (long n : LENGTHS) {
                CollectiveCases.MOVED.forEach(type -> checkMoves(group, cases, type, n));
                CollectiveCases.REDUCED.forEach(type -> checkSums(group, cases, type, n));
            }
            check(group, "a sum repeats bit for bit", () -> cases.repeats(1 << 20));
            check(group, "operations and compute wait for each other", () -> cases.ordersWithCompute(10));
            check(group, "subgroups", cases::subgroup);
            group.barrier().await();
            if (place.device().isCuda()) {
                new CollectiveSpeed(group, place.device(), this::say).report();
            }
            List<Flight> flights = group.flights();
            flights.subList(Math.max(0, flights.size() - 3), flights.size())
                    .forEach(flight -> say("%s", times(flight)));
            started = System.nanoTime();
        } catch (RuntimeException e) {
            fail("operations: " + e);
        }
        say("closed: %.2f s", secondsSince(started));
    }

    private static String times(Flight flight) {
        return flight + ": begun " + flight.begun() + ", started " + flight.started() + ", ended " + flight.ended();
    }

    private void checkMoves(Collectives group, CollectiveCases cases, ScalarType type, long n) {
        String what = " " + type + " " + n;
        check(group, "all-gather" + what, () -> cases.allGather(type, n));
        check(group, "all-gather in place" + what, () -> cases.allGatherInPlace(type, n));
        check(group, "broadcast" + what, () -> cases.broadcast(type, n, 0));
        check(group, "broadcast of the last" + what, () -> cases.broadcast(type, n, group.worldSize() - 1));
        check(group, "send and receive" + what, () -> cases.sendAndReceive(type, n));
    }

    private void checkSums(Collectives group, CollectiveCases cases, ScalarType type, long n) {
        String what = " " + type + " " + n;
        check(group, "reduce-scatter" + what, () -> cases.reduceScatter(type, n));
        check(group, "all-reduce" + what, () -> cases.allReduce(type, n, Reduction.SUM));
        check(group, "all-reduce, largest" + what, () -> cases.allReduce(type, n, Reduction.MAX));
    }

    /**
     * The last rank leaves without a word while the others wait for it in an all-reduce, beside a second communicator.
     *
     * @param how the others come to know: they are told after a second, or notice by their connections
     */
    private void die(String how, Collectives group) {
        try (TensorScope scope = new TensorScope();
                Collectives world = group;
                Collectives beside = world.subgroup("beside", ranks())) {
            Tensor values = place.device().zeros(ScalarType.Float, 1 << 26);
            world.allReduce(values, Reduction.SUM).await();
            beside.allReduce(values, Reduction.SUM).await();
            place.device().await();
            if (place.rank() == place.worldSize() - 1) {
                Runtime.getRuntime().halt(DIES);
            }
            long began = System.nanoTime();
            try {
                world.allReduce(values, Reduction.SUM).await();
                beside.allReduce(values, Reduction.SUM).await();
                if (how.equals("told by others")) {
                    LockSupport.parkNanos(Duration.ofSeconds(1).toNanos());
                    say("a second after the death the group still says that all is well");
                    long told = System.nanoTime();
                    world.abort();
                    report(secondsSince(told) <= ALLOWED_SECONDS, "abort took %.2f s", secondsSince(told));
                }
                awaitFailure(world);
            } catch (CollectiveException e) {
                report(
                        true,
                        "the death, %s: known after %.2f s by %s",
                        how,
                        secondsSince(began),
                        String.valueOf(e.getMessage()));
            }
            long idle = System.nanoTime();
            place.device().await();
            report(secondsSince(idle) <= ALLOWED_SECONDS, "the GPU was idle %.2f s later", secondsSince(idle));
        } catch (CollectiveException e) {
            fail("death, " + how + ": " + e);
        }
    }

    private List<Integer> ranks() {
        return IntStream.range(0, place.worldSize()).boxed().toList();
    }

    private static void awaitFailure(Collectives group) {
        long began = System.nanoTime();
        while (System.nanoTime() - began < SOON.toNanos()) {
            group.check();
            LockSupport.parkNanos(1_000_000);
        }
        throw new IllegalStateException("the group has not noticed within " + SOON);
    }

    /** Every rank looks at what it has got, and rank 0 says whether all of them are right. */
    private void check(Collectives group, String what, BooleanSupplier good) {
        try (TensorScope scope = new TensorScope()) {
            boolean own = good.getAsBoolean();
            Tensor wrong = Device.CPU.ofLongs(new long[] {own ? 0 : 1}, 1);
            group.allReduce(wrong, Reduction.SUM).await(); // of the host's, so the value is there
            report(wrong.item_long() == 0, "%s", what);
        }
    }

    private void report(boolean good, String format, Object... arguments) {
        String what = String.format(Locale.ROOT, format, arguments);
        if (good) {
            say("%s: ok", what);
        } else {
            fail(what);
        }
    }

    private void fail(String what) {
        failures.add(what);
        System.out.printf("FAIL rank %d: %s%n", place.rank(), what);
    }

    private void say(String format, Object... arguments) {
        if (place.rank() == 0) {
            System.out.println(String.format(Locale.ROOT, format, arguments));
        }
    }

    private static double secondsSince(long nanos) {
        return (System.nanoTime() - nanos) / 1e9;
    }
}

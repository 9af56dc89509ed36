// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.profile;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.chorale.tensor.profile.Lane.Kind;
import org.junit.jupiter.api.Test;

/** Which kernel is which operation. Times are in milliseconds. */
final class KernelTrafficTest {
    private static final Lane STREAM = Lane.kernels(20);
    private static final Lane OTHER = Lane.kernels(24);
    private static final Lane COMPUTE = Lane.kernels(7);

    private final KernelTraffic traffic = new KernelTraffic();
    private final List<Span> spans = new ArrayList<>();
    private int enqueued;

    @Test
    void kernelsOfAStreamAreItsOperationsInOrder() {
        enqueue(STREAM, "allGather", 1);
        enqueue(OTHER, "allReduce", 1);
        enqueue(STREAM, "reduceScatter", 2);
        enqueue(STREAM, "barrier", 3);
        ran(STREAM, "ncclDevKernel_ReduceScatter_Sum_f32_RING_LL", 6);
        ran(STREAM, "ncclDevKernel_AllGather_RING_LL", 5); // CUPTI's records are in no order
        ran(STREAM, "ncclDevKernel_AllReduce_MinMax_i64_RING_LL", 7);
        ran(OTHER, "ncclDevKernel_Generic_4", 5);
        ran(COMPUTE, "nvjet", 5);

        assertThat(found()).containsExactly("reduceScatter 3", "allGather 1", "barrier 4", "allReduce 2", "nothing");
        assertThat(traffic.onto(spans)).extracting(Span::bytes).containsExactly(300L, 100L, 400L, 200L, 0L);
    }

    @Test
    void kernelsOfOperationsBeforeTheRecordingAreLeftOut() {
        enqueue(STREAM, "allGather", 10);
        enqueue(STREAM, "allGather", 11);
        enqueue(STREAM, "reduceScatter", 12);
        ran(STREAM, "ncclDevKernel_AllGather_RING_LL", 4); // began before any of them was asked for
        ran(STREAM, "ncclDevKernel_ReduceScatter_Sum_f32_RING_LL", 10.5); // what the first is not
        ran(STREAM, "ncclDevKernel_AllGather_RING_LL", 20);
        ran(STREAM, "ncclDevKernel_AllGather_RING_LL", 21);
        ran(STREAM, "ncclDevKernel_ReduceScatter_Sum_f32_RING_LL", 22);

        assertThat(found()).containsExactly("nothing", "nothing", "allGather 1", "allGather 2", "reduceScatter 3");
    }

    @Test
    void whatIsGatheredAheadAtTheEndNeedsNoKernel() {
        for (int i = 0; i <= KernelTraffic.MOST_UNDONE; i++) {
            enqueue(STREAM, "allGather", i);
        }
        ran(STREAM, "ncclDevKernel_AllGather_RING_LL", 1);

        assertThat(found()).containsExactly("allGather 1");
    }

    @Test
    void kernelsAreNoOperationsWhereTooManyAreMissing() {
        for (int i = 0; i <= KernelTraffic.MOST_UNDONE + 1; i++) {
            enqueue(STREAM, "allGather", i);
        }
        ran(STREAM, "ncclDevKernel_AllGather_RING_LL", 1);

        assertThat(found()).containsExactly("nothing");
    }

    /** As where one kernel of many has no record. */
    @Test
    void kernelsAreNoOperationsWhereTheirNamesSayOtherwise() {
        for (int i = 0; i < 20; i++) {
            enqueue(STREAM, "allGather", i);
            enqueue(STREAM, "reduceScatter", i);
            if (i != 10) {
                ran(STREAM, "ncclDevKernel_AllGather_RING_LL", i + 0.3);
            }
            ran(STREAM, "ncclDevKernel_ReduceScatter_Sum_f32_RING_LL", i + 0.6);
        }

        assertThat(found()).isEqualTo(Collections.nCopies(39, "nothing"));
    }

    private void enqueue(Lane kernels, String operation, double atMillis) {
        enqueued++;
        traffic.add(kernels, new Traffic("world", enqueued, operation, 100L * enqueued, 2), nanos(atMillis));
    }

    private void ran(Lane lane, String kernel, double atMillis) {
        spans.add(new Span(lane, kernel, nanos(atMillis), nanos(atMillis + 0.2), 0));
    }

    private List<String> found() {
        assertThat(spans).extracting(span -> span.lane().kind()).containsOnly(Kind.KERNEL);
        return traffic.onto(spans).stream()
                .map(Span::traffic)
                .map(moved -> Objects.isNull(moved) ? "nothing" : moved.operation() + " " + moved.number())
                .toList();
    }

    private static long nanos(double millis) {
        return (long) (millis * 1e6);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.chorale.bench.CollectiveAccount.Spread;
import org.chorale.tensor.profile.Lane;
import org.chorale.tensor.profile.Lane.Kind;
import org.chorale.tensor.profile.Span;
import org.chorale.tensor.profile.Timeline;
import org.chorale.tensor.profile.Traffic;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What operations between ranks took, in timelines made by hand; times are in microseconds. */
final class CollectiveAccountTest {
    private static final Lane COMPUTE = new Lane(Kind.KERNEL, "kernels of stream 7");
    private static final Lane GROUP = new Lane(Kind.KERNEL, "kernels of stream 20");

    @TempDir
    private Path folder;

    private final List<Span> spans = new ArrayList<>(List.of(span(Lane.STEPS, "step 1", 0, 10_000, null)));

    @Test
    void anOperationHasItsTimesItsBandwidthAndWhatIsHidden() throws IOException {
        moved("AllGather", "allGather", 4_000_000, 2, 0, 20); // half of it in 20 us: 100 GB/s
        moved("AllGather", "allGather", 4_000_000, 2, 100, 110);
        moved("AllGather", "allGather", 4_000_000, 2, 200, 240);
        spans.add(span(COMPUTE, "nvjet", 10, 105, null));

        assertThat(CollectiveAccount.of(trace()))
                .containsExactly(new CollectiveAccount(
                        "allGather of 2",
                        false,
                        3,
                        4_000_000,
                        4_000_000,
                        new Spread(10, 20, 40),
                        new Spread(200e9, 100e9, 50e9),
                        70,
                        15));
    }

    /** Of four ranks each link carries 3/4 of a scatter's whole, twice as much of an all-reduce, all of a broadcast. */
    @Test
    void bandwidthIsWhatTheBusCarries() throws IOException {
        moved("ReduceScatter_Sum_f32", "reduceScatter", 4_000_000, 4, 0, 30);
        moved("AllReduce_Sum_f32", "allReduce", 4_000_000, 4, 100, 130);
        moved("Broadcast", "broadcast", 4_000_000, 4, 200, 240);

        assertThat(CollectiveAccount.of(trace()))
                .extracting(
                        CollectiveAccount::name, account -> account.busBytes().best())
                .containsExactly(
                        tuple("allReduce of 4", 200e9),
                        tuple("broadcast of 4", 100e9),
                        tuple("reduceScatter of 4", 100e9));
    }

    @Test
    void theLargestStandByThemselvesToo() throws IOException {
        moved("AllGather", "allGather", 2 << 20, 2, 0, 10);
        moved("AllGather", "allGather", 1 << 20, 2, 20, 30);
        moved("AllGather", "allGather", 2 << 20, 2, 40, 60);

        assertThat(CollectiveAccount.of(trace()))
                .satisfiesExactly(
                        all -> assertThat(all.kernels()).isEqualTo(3),
                        largest -> assertThat(largest)
                                .isEqualTo(new CollectiveAccount(
                                        "allGather of 2",
                                        true,
                                        2,
                                        2 << 20,
                                        2 << 20,
                                        new Spread(10, 15, 20),
                                        new Spread(104.8576e9, 78.6432e9, 52.4288e9),
                                        30,
                                        0)));
        assertThat(summary())
                .contains(
                        "| allGather of 2 | 3.0 | 1.000 to 2.000 | 10.0, 10.0, 20.0 | 104.9, 52.4, 52.4 | 0.0 % |",
                        "| allGather of 2, the largest | 2.0 | 2.000 | 10.0, 15.0, 20.0 | 104.9, 78.6, 52.4 | 0.0 % |")
                .noneMatch(line -> line.contains("not known"));
    }

    @Test
    void whatRunsOutsideOfStepsDoesNotCount() throws IOException {
        moved("AllGather", "allGather", 4_000_000, 2, 10_001, 10_020);
        spans.add(span(GROUP, "ncclDevKernel_AllGather_RING_LL", 10_030, 10_040, null));

        assertThat(CollectiveAccount.of(trace())).isEmpty();
        assertThat(CollectiveAccount.withoutBytes(trace())).isEmpty();
    }

    @Test
    void kernelsWithoutBytesAreToldAndCountInNoOperation() throws IOException {
        moved("AllGather", "allGather", 4_000_000, 2, 0, 20);
        spans.add(span(GROUP, "ncclDevKernel_AllGather_RING_LL", 100, 900, null));

        assertThat(CollectiveAccount.of(trace()))
                .singleElement()
                .satisfies(gather -> assertThat(gather.kernels()).isOne());
        assertThat(summary())
                .contains(
                        "**Of 1 of NCCL's kernels it is not known what they moved, so no operation stands here for them:"
                                + " ncclDevKernel_AllGather_RING_LL.**");
    }

    private void moved(String kernel, String operation, long bytes, int ranks, long start, long end) {
        Traffic traffic = new Traffic("world", spans.size(), operation, bytes, ranks);
        spans.add(span(GROUP, "ncclDevKernel_" + kernel + "_RING_LL", start, end, traffic));
    }

    private static Span span(Lane lane, String name, long start, long end, @Nullable Traffic traffic) {
        return new Span(lane, name, 1000 * start, 1000 * end, traffic == null ? 0 : traffic.bytes(), traffic);
    }

    private Trace trace() throws IOException {
        return Trace.read(written());
    }

    private List<String> summary() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        TimelineSummary.print(written(), new PrintStream(out, true, StandardCharsets.UTF_8));
        return out.toString(StandardCharsets.UTF_8).lines().toList();
    }

    private Path written() {
        Path file = folder.resolve("trace.json");
        new Timeline(Instant.EPOCH, 0, spans, 0).write(file, Map.of());
        return file;
    }
}

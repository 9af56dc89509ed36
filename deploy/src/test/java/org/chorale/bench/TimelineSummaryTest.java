// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.chorale.bench.Intervals.Interval;
import org.chorale.bench.Trace.Event;
import org.chorale.tensor.profile.Lane;
import org.chorale.tensor.profile.Lane.Kind;
import org.chorale.tensor.profile.Span;
import org.chorale.tensor.profile.Timeline;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TimelineSummaryTest {
    @TempDir
    Path folder;

    private final List<Span> spans = new ArrayList<>();

    @Test
    void aStepIsHeldAgainstWhatRanInIt() throws IOException {
        twoSteps();

        StepAccount account = StepAccount.of(step("step 2"), trace(0));

        assertThat(account.wall()).isEqualTo(1000);
        assertThat(account.busy()).isEqualTo(800); // 1000 to 1600, 1700 to 1900
        assertThat(account.longestGap()).isEqualTo(100);
        assertThat(account.communication()).isEqualTo(400); // 1200 to 1600
        assertThat(account.hidden()).isEqualTo(300); // up to 1500
        assertThat(account.launches()).isEqualTo(1);
        assertThat(account.launching()).isEqualTo(5);
        assertThat(account.waits()).extracting(Event::name).containsExactly("for a stream");
    }

    @Test
    void theSummaryHasStepsFamiliesAndKernels() throws IOException {
        twoSteps();

        List<String> lines = summary(2).lines().toList();

        assertThat(lines)
                .contains(
                        "**2 events at least are lost: the figures are too low.**",
                        "| step 1 | 1.00 | 40.00 % | 0.600 ms | 600.0 | 0.00 | – | 0 | 0.00 | none |",
                        "| step 2 | 1.00 | 80.00 % | 0.200 ms | 100.0 | 0.40 | 75.0 % | 1 | 0.01 | 1 for a stream |",
                        "| gemm | 1.0 | 0.450 | 45.0 % | 450.0 |",
                        "| nccl | 0.5 | 0.200 | 20.0 % | 400.0 |",
                        "| copy | 0.5 | 0.100 | 10.0 % | 200.0 |",
                        "| nvjet_a | 1.0 | 0.450 | 45.0 % | 450.0 |");
    }

    @Test
    void aFileWithoutStepsIsRefusedWithItsName() throws IOException {
        Path file = written(0);

        assertThatThrownBy(() -> TimelineSummary.print(file, System.out))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(file + " has no event of category step");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "1", "{\"traceEvents\": {}}", "{\"traceEvents\": [{\"ph\": \"X\"", "nonsense"})
    void whatIsNoTimelineIsRefusedWithItsName(String text) throws IOException {
        Path file = Files.writeString(folder.resolve("bad.json"), text);

        assertThatThrownBy(() -> Trace.read(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("bad.json");
    }

    @ParameterizedTest
    @CsvSource({
        "ncclDevKernel_AllGather_RING_LL, NCCL",
        "pytorch_flash::flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<Flash_bwd_kernel_traits>, ATTENTION",
        "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x128, ATTENTION",
        "nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_NNT, GEMM",
        "sm80_xmma_gemm_bf16bf16_bf16f32, GEMM",
        "adam_master, OPTIMIZER",
        "vectorized_elementwise_kernel<FillFunctor>, FILL",
        "memcpy host to device, COPY",
        "vectorized_elementwise_kernel<CUDAFunctor_add>, ELEMENTWISE",
        "reduce_kernel<ReduceOp>, REDUCTION",
        "mystery, OTHER"
    })
    void aKernelIsKnownByItsName(String kernel, KernelFamily family) {
        assertThat(KernelFamily.of(kernel)).isEqualTo(family);
    }

    @Test
    void intervalsAreJoinedAndMet() {
        Intervals a = Intervals.union(List.of(
                new Interval(5, 7), new Interval(0, 2), new Interval(1, 3), new Interval(3, 4), new Interval(9, 9)));

        assertThat(a.all()).containsExactly(new Interval(0, 4), new Interval(5, 7));
        assertThat(a.meet(Intervals.union(List.of(new Interval(2, 6), new Interval(6.5, 20))))
                        .all())
                .containsExactly(new Interval(2, 4), new Interval(5, 6), new Interval(6.5, 7));
        assertThat(a.longestGap(new Interval(-2, 8))).isEqualTo(2);
        assertThat(a.length()).isEqualTo(6);
    }

    /** In microseconds; the product runs over from the first step into the second, and counts by its part in each. */
    private void twoSteps() {
        Lane compute = new Lane(Kind.KERNEL, "kernels of stream 7");
        add(Lane.STEPS, "step 1", 0, 1000);
        add(Lane.STEPS, "step 2", 1000, 2000);
        add(compute, "nvjet_a", 600, 1000);
        add(compute, "nvjet_a", 1000, 1500);
        add(new Lane(Kind.KERNEL, "kernels of stream 20"), "ncclDevKernel_AllGather", 1200, 1600);
        add(new Lane(Kind.COPY, "copies of stream 7"), "memcpy device to host", 1700, 1900);
        add(new Lane(Kind.CALL, "CUDA calls of thread 1"), "cudaLaunchKernel", 1001, 1006);
        add(new Lane(Kind.CALL, "CUDA calls of thread 1"), "cudaMemcpyAsync", 1007, 1008);
        add(new Lane(Kind.WAIT, "waits for the GPU"), "for a stream", 1900, 1950);
    }

    private void add(Lane lane, String name, long startMicros, long endMicros) {
        spans.add(new Span(lane, name, 1000 * startMicros, 1000 * endMicros, 0));
    }

    private Event step(String name) throws IOException {
        return trace(0).of(Kind.STEP).stream()
                .filter(step -> step.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private Trace trace(long lost) throws IOException {
        return Trace.read(written(lost));
    }

    private String summary(long lost) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        TimelineSummary.print(written(lost), new PrintStream(out, true, StandardCharsets.UTF_8));
        return out.toString(StandardCharsets.UTF_8);
    }

    private Path written(long lost) {
        Path file = folder.resolve("trace.json");
        new Timeline(Instant.EPOCH, 0, spans, lost).write(file, Map.of());
        return file;
    }
}

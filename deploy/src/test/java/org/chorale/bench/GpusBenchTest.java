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
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowingConsumer;
import org.chorale.tensor.profile.Lane;
import org.chorale.tensor.profile.Lane.Kind;
import org.chorale.tensor.profile.Span;
import org.chorale.tensor.profile.Timeline;
import org.chorale.tensor.profile.Traffic;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole of a measurement, with scripts in the place of the repository's, which print what those would. */
final class GpusBenchTest {
    @TempDir
    private Path root;

    private int code;

    @BeforeEach
    void aTimelineInWhichHalfOfAGatherIsHidden() {
        Traffic gather = new Traffic("world", 1, "allGather", 4_000_000, 2);
        Lane group = new Lane(Kind.KERNEL, "kernels of stream 20");
        new Timeline(
                        Instant.EPOCH,
                        0,
                        List.of(
                                new Span(Lane.STEPS, "step 1", 0, 1_000_000, 0),
                                new Span(group, "ncclDevKernel_AllGather_RING_LL", 0, 10_000, 4_000_000, gather),
                                new Span(new Lane(Kind.KERNEL, "kernels of stream 7"), "nvjet", 5_000, 20_000, 0)),
                        0)
                .write(root.resolve("trace.json"), Map.of());
    }

    @Test
    void everyRowHasWhatItsCommandPrinted() throws IOException, InterruptedException {
        script("gpu", """
                echo "$*" >> calls
                for word; do case $word in profile=*) cp trace.json "${word#profile=}.0" ;; esac; done
                case "$*" in *fp8*) speed=9000 ;; *) speed=8000 ;; esac
                echo "| not | this |"
                echo '{"tokens_per_second": '$speed', "peak_allocated_gib": 62.9, "steps": 1000}'
                """);

        List<String> lines = measured("only=speed,memory,fp8,bandwidth,hidden,traffic,flat")
                .lines()
                .toList();

        assertThat(lines)
                .satisfies(
                        row("8B, fp32 masters, B 1 T 8192, full recompute: tokens/s", "8,000", "yes"),
                        row("the same: GiB of each", "62.9", "yes"),
                        row("8B in FP8 by tensor against bf16: tokens/s", "1.125 (9,000 to 8,000)", "**no**"),
                        row("the largest gathers of 8B in training", "200 (200; 200)", "**no**"),
                        row("time of NCCL's kernels that lies under compute", "50.0 %", "**no**"),
                        row("timelines know what each of NCCL's kernels moves", "1 of 1", "yes"),
                        row("device bytes after 1,000 steps", "none in 2,000 steps", "yes"))
                .contains("0 rows could not be measured");
        assertThat(code).isZero();
        assertThat(Files.readAllLines(root.resolve("calls")))
                .as("each command once")
                .hasSize(3);
        assertThat(root.resolve("files/8b-full-shard.profile.log")).content().contains("8000");
    }

    @Test
    void whatFailsIsToldWithItsFileAndEndsWithOne() throws IOException, InterruptedException {
        script("gpu", "echo out of memory; exit 3");
        script("ranks", "echo 'FULL_SHARD: ok'");

        assertThat(measured("only=speed,modes").lines().toList())
                .satisfies(
                        row("8B, fp32 masters", "**failed: ended with 3, see 8b-full-shard.profile.log**", "–"),
                        row("gradients of a step", "1", "yes"))
                .contains("1 rows could not be measured");
        assertThat(code).isOne();
    }

    @Test
    void whatSaysNothingHasFailed() throws IOException, InterruptedException {
        script("gpu", "echo nothing");

        assertThat(measured("only=speed,bandwidth"))
                .contains("no line of JSON was printed, see 8b-full-shard.profile.log")
                .contains("8b-full-shard.json.0 (No such file or directory)")
                .contains("2 rows could not be measured");
        assertThat(code).isOne();
    }

    @Test
    void aDryRunPrintsCommandsAndRunsNone() throws IOException, InterruptedException {
        assertThat(measured("--dry-run", "4", "only=kills,modes,hybrid", "device=cuda-shared"))
                .isEqualTo("""
                        deploy/bench/ranks shard 4 cuda-shared
                        deploy/bench/kills workers=4 kills=20 parallel.device=cuda-shared
                        """);
        assertThat(code).isZero();
        assertThat(root.resolve("files")).doesNotExist();
    }

    @Test
    void aCommandThatTakesTooLongIsKilledWithAllThatItStarted() throws IOException, InterruptedException {
        Files.createDirectory(root.resolve("files"));
        BenchCommand command = new BenchCommand(
                List.of("bash", "-c", "sleep 1000 & echo $!; wait"), "slow.log", Duration.ofMillis(500));

        BenchOutput output = command.run(root, root.resolve("files"));

        assertThat(output.exitCode()).isEqualTo(BenchCommand.KILLED);
        assertThat(ProcessHandle.of(Long.parseLong(output.lines().get(0))).filter(ProcessHandle::isAlive))
                .isEmpty();
    }

    @Test
    void allThatIsWrongWithTheArgumentsIsTold() {
        assertThatThrownBy(() -> GpusSetup.parse(List.of("3", "device=tpu", "only=speeds,kills", "device=cpu")))
                .isInstanceOf(IllegalArgumentException.class)
                .satisfies(e -> assertThat(String.valueOf(e.getMessage()).lines())
                        .satisfiesExactly(
                                problem -> assertThat(problem).startsWith("3: usage: gpus [2 or 4]"),
                                problem -> assertThat(problem).startsWith("device=tpu: usage: gpus"),
                                problem -> assertThat(problem)
                                        .startsWith(
                                                "only=speeds: there is no such row on 2 ranks with device=cpu: must")
                                        .endsWith("collectives,modes,curves,kills")));
    }

    /** That one line has what was measured of a demand, and whether it is enough. */
    private static ThrowingConsumer<List<? extends String>> row(String demand, String measured, String met) {
        return lines -> assertThat(lines)
                .filteredOn(line -> line.startsWith("| " + demand))
                .singleElement()
                .satisfies(line -> assertThat(line).contains(" | " + measured + " | ", " | " + met + " | "));
    }

    private String measured(String... arguments) throws IOException, InterruptedException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        List<String> all = Stream.concat(Arrays.stream(arguments), Stream.of("folder=" + root.resolve("files")))
                .toList();
        code = GpusBench.run(root, GpusSetup.parse(all), new PrintStream(out, true, StandardCharsets.UTF_8));
        return out.toString(StandardCharsets.UTF_8);
    }

    private void script(String name, String text) throws IOException {
        Path file = Files.createDirectories(root.resolve("deploy/bench")).resolve(name);
        Files.writeString(file, "#!/usr/bin/env bash\nset -euo pipefail\n" + text + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.bench.GpuDemand.Finding;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is demanded of several GPUs, and that its commands are ones that exist. */
final class GpuDemandsTest {
    private static final Path ROOT =
            Path.of(Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"));

    private static final Config DEFAULTS = ConfigFactory.parseResources("chorale-defaults.conf");

    @ParameterizedTest
    @CsvSource({"2, CUDA", "4, CUDA", "2, CUDA_SHARED", "4, CUDA_SHARED", "2, CPU", "4, CPU"})
    void everyCommandIsOneThatExists(int ranks, RankDevices devices) {
        List<BenchCommand> commands = demands(ranks, devices).stream()
                .flatMap(demand -> demand.commands().stream())
                .distinct()
                .toList();

        assertThat(commands).hasSizeGreaterThan(3).allSatisfy(command -> {
            List<String> words = program(command);
            switch (words.get(0)) {
                case "deploy/bench/gpu" -> assertRow(words.subList(1, words.size()), ranks, devices);
                case "deploy/bench/ranks" ->
                    assertThat(words.subList(1, 3)).isIn(List.of("shard", "" + ranks), List.of("nccl", "" + ranks));
                case "deploy/bench/curves" -> assertKeys(words.subList(3, words.size()), devices);
                case "deploy/bench/kills" -> assertKeys(words.subList(3, words.size()), devices);
                default ->
                    assertThat(ROOT.resolve(words.get(5)))
                            .hasFileName("fsdp2.py")
                            .exists();
            }
            assertThat(words.get(0).equals("python3") || Files.isExecutable(ROOT.resolve(words.get(0))))
                    .as(words.get(0))
                    .isTrue();
        });
        assertThat(commands.stream().map(BenchCommand::log)).doesNotHaveDuplicates();
    }

    /** Without a variable that is set for it. */
    private static List<String> program(BenchCommand command) {
        List<String> words = command.words();
        return words.get(0).equals("env") ? words.subList(2, words.size()) : words;
    }

    private static void assertRow(List<String> words, int ranks, RankDevices devices) {
        BenchSetup setup = BenchSetup.parse(words.toArray(String[]::new));
        assertThat(setup.ranks()).isIn(1, 2, ranks);
        assertThat(RankDevices.among(words)).isEqualTo(devices);
    }

    private static void assertKeys(List<String> settings, RankDevices devices) {
        assertThat(settings)
                .contains("parallel.device=" + devices.word())
                .allSatisfy(setting -> assertThat(DEFAULTS.hasPathOrNull(setting.substring(0, setting.indexOf('='))))
                        .as(setting)
                        .isTrue());
    }

    @Test
    void noSpeedIsMeasuredOnAGpuThatRanksShare() {
        assertThat(names(demands(4, RankDevices.CUDA_SHARED)))
                .containsExactlyInAnyOrder(
                        "memory",
                        "traffic",
                        "collectives",
                        "modes",
                        "hybrid",
                        "curves",
                        "curves",
                        "curves",
                        "kills",
                        "flat");
        assertThat(names(demands(2, RankDevices.CPU)))
                .containsExactlyInAnyOrder("collectives", "modes", "curves", "curves", "curves", "kills");
        assertThat(names(demands(2, RankDevices.CUDA)))
                .contains("speed", "lora", "fp8", "bandwidth", "hidden")
                .doesNotContain("scaling", "hybrid");
        assertThat(names(demands(4, RankDevices.CUDA))).contains("scaling", "hybrid");
    }

    @ParameterizedTest
    @CsvSource({
        "speed, 7312, '7,312', false",
        "speed, 7313, '7,313', true",
        "bf16, 10500, '10,500', true",
        "bf16, 10499, '10,499', false"
    })
    void aSpeedIsReadFromTheLastLineOfJson(String name, double speed, String measured, boolean met) throws IOException {
        assertThat(found(name, printed("{}", "{\"tokens_per_second\": " + speed + "}", "done")))
                .isEqualTo(new Finding(measured, Optional.of(met)));
    }

    @ParameterizedTest
    @CsvSource({"64.8, 64.8, true", "64.9, 64.9, false"})
    void memoryIsReadFromTheSameRun(double gib, String measured, boolean met) throws IOException {
        assertThat(found("memory", printed("{\"peak_allocated_gib\": " + gib + "}")))
                .isEqualTo(new Finding(measured, Optional.of(met)));
    }

    @Test
    void whatIsComparedIsTheQuotientOfTwoRuns() throws IOException {
        BenchOutput fast = printed("{\"tokens_per_second\": 1250}");
        BenchOutput slow = printed("{\"tokens_per_second\": 1000}");

        assertThat(found("fp8", fast, slow)).isEqualTo(new Finding("1.250 (1,250 to 1,000)", Optional.of(true)));
        assertThat(found("lora", slow, fast)).isEqualTo(new Finding("0.800 (1,000 to 1,250)", Optional.of(false)));
    }

    @Test
    void gapsAreThoseOfTheRunThatIsCompared() throws IOException {
        BenchOutput output = printed(
                "| fp32-on-1 | 200 | 0.0000 | 1 | 2.9 |",
                "| fp32-on-2 | 200 | 0.0011 | 35 | 2.9 |",
                "| bf16-on-1 | 200 | 0.0000 | 1 | 2.9 |",
                "| bf16-on-2 | 200 | 0.0012 | 35 | 2.9 |",
                "| bf16-on-2 | 200 | 0.0000 | 1 | 2.9 |",
                "| fp8-on-2 | 200 | 0.1430 | 27 | 2.9 |");

        assertThat(demands(2, RankDevices.CUDA).stream()
                        .filter(demand -> demand.name().equals("curves"))
                        .map(demand -> read(demand, output)))
                .containsExactly(
                        new Finding("0.0011", Optional.of(false)),
                        new Finding("0.0012", Optional.of(true)),
                        Finding.told("0.1430"));
    }

    @Test
    void aRunThatSaysNothingIsNoMeasurement() {
        for (String name : List.of("speed", "memory", "curves", "kills", "nccl", "flat")) {
            assertThatThrownBy(() -> found(name, printed("all is well", "| fp32-on-2 | 7 | 0.0 | 1 | 2.9 |")))
                    .as(name)
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void linesOfChecksAreCounted() throws IOException {
        BenchOutput checks = printed("FULL_SHARD FP32, losses: error 0, ok", "HYBRID FP32, losses: error 0, ok", "bye");

        assertThat(read(named("modes", 4), checks)).isEqualTo(new Finding("2", Optional.of(true)));
        assertThat(demands(4, RankDevices.CPU).stream()
                        .filter(demand -> demand.name().equals("hybrid"))
                        .map(demand -> read(demand, checks)))
                .containsExactly(new Finding("1", Optional.of(true)));
        assertThat(read(named("modes", 4), printed("bye"))).isEqualTo(new Finding("0", Optional.of(false)));
    }

    @Test
    void whatNcclAndKillsPrintIsRead() throws IOException {
        assertThat(found("nccl", printed("all-gather of 1024 MiB: 1.86 ms, 288 GB/s of the bus")))
                .isEqualTo(Finding.told("288"));
        assertThat(found("kills", printed("| together | 4060 | 4389 |")))
                .isEqualTo(new Finding("yes; 4060 ms to the next step", Optional.of(true)));
    }

    private static Finding found(String name, BenchOutput... outputs) throws IOException {
        return named(name, 2).reading().of(List.of(outputs));
    }

    private static Finding read(GpuDemand demand, BenchOutput output) {
        try {
            return demand.reading().of(List.of(output));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static GpuDemand named(String name, int ranks) {
        return demands(ranks, RankDevices.CUDA).stream()
                .filter(demand -> demand.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static List<GpuDemand> demands(int ranks, RankDevices devices) {
        return GpuDemands.of(new GpuCommands(ranks, devices, Path.of("/files")));
    }

    private static Stream<String> names(Collection<GpuDemand> demands) {
        return demands.stream().map(GpuDemand::name);
    }

    private static BenchOutput printed(String... lines) {
        return new BenchOutput(0, List.of(lines));
    }
}

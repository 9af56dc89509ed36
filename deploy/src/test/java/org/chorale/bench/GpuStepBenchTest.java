// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** In a JVM of its own, on nothing but what computes: no actors, no tokenizer. */
final class GpuStepBenchTest {
    private static final long MOST_BYTES = 25L << 20;
    private static final long LIMIT_SECONDS = 120;

    /** What Maven puts last in the names of jars with native code. */
    private static final String NATIVE = "linux-x86_64";

    private static final List<String> NEEDED = List.of(
            "chorale-tensor",
            "chorale-model",
            "chorale-training",
            "javacpp-",
            "openblas-",
            "pytorch-",
            "cuda-",
            "jackson-",
            "re2j-",
            "jspecify-");

    @TempDir
    Path folder;

    @Test
    void theClassPathOfAGpuIsSmallAndEnoughToMeasureAStep() throws IOException, InterruptedException {
        List<Path> classPath = classPath();
        assertThat(classPath.stream()
                        .filter(entry -> !entry.toString().contains(NATIVE))
                        .mapToLong(GpuStepBenchTest::bytes)
                        .sum())
                .isBetween(MOST_BYTES / 10, MOST_BYTES);

        JsonNode json = measured(classPath, "tiny", "device=cpu", "sequences=2", "tokens=16", "steps=5");

        assertThat(json.get("row").asText()).isEqualTo("tiny");
        assertThat(json.get("command").asText())
                .isEqualTo("deploy/bench/gpu tiny device=cpu sequences=2 tokens=16 steps=5");
        assertThat(json.get("machine").asText()).matches("CPU with \\d+ cores");
        assertThat(json.get("date").asText()).matches("\\d{4}-\\d\\d-\\d\\d");
        assertThat(json.get("steps").asInt()).isEqualTo(5);
        assertThat(json.get("tokens_per_second").asDouble())
                .isCloseTo(32 / json.get("step_ms_median").asDouble() * 1e3, withinPercentage(1e-6));
        assertThat(json.get("step_ms_min").asDouble())
                .isPositive()
                .isLessThanOrEqualTo(json.get("step_ms_median").asDouble());
        assertThat(json.get("flops_per_token").asDouble())
                .isEqualTo(6.0 * (4 * (2 * 128 * 128 + 2 * 128 * 64 + 3 * 128 * 384) + 512 * 128) + 6 * 4 * 128 * 16);
        assertThat(json.get("matmul_tflops").asDouble()).isPositive();
        assertThat(json.get("peak_allocated_gib").isNull()).isTrue();
        assertThat(json.get("first_loss").asDouble()).isBetween(6.0, 6.6); // of 512 equal chances: 6.24
        assertThat(json.get("last_loss").asDouble())
                .isLessThan(json.get("first_loss").asDouble());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void twoRanksMeasureAStepTogether(int copies) throws IOException, InterruptedException {
        JsonNode json = measured(
                classPath(),
                "tiny",
                "device=cpu",
                "ranks=2",
                "copies=" + copies,
                "sequences=2",
                "tokens=16",
                "steps=5");

        assertThat(json.get("ranks").asInt()).isEqualTo(2);
        assertThat(json.get("copies").asInt()).isEqualTo(copies);
        assertThat(json.get("tokens_per_second").asDouble())
                .as("of each")
                .isCloseTo(32 / json.get("step_ms_median").asDouble() * 1e3, withinPercentage(1e-6));
        assertThat(json.get("last_loss").asDouble())
                .isLessThan(json.get("first_loss").asDouble());
    }

    private JsonNode measured(List<Path> classPath, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        Stream.of("nopointergc=true", "maxBytes=0", "maxPhysicalBytes=0")
                .forEach(flag -> command.add("-Dorg.bytedeco.javacpp." + flag));
        command.addAll(List.of("-Xmx256m", "-XX:+UseSerialGC", "-cp"));
        command.add(String.join(
                File.pathSeparator, classPath.stream().map(Path::toString).toList()));
        command.add(GpuStepBench.class.getName());
        command.addAll(List.of(arguments));
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        Process process = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        try {
            assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.exitValue()).as(Files.readString(err)).isZero();
        List<String> lines = Files.readAllLines(out, StandardCharsets.UTF_8);
        return new ObjectMapper().readTree(lines.get(lines.size() - 1));
    }

    /** That of this test, as Surefire tells it, without what a GPU needs not; modules of the same build are folders. */
    private static List<Path> classPath() {
        String all = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        return Stream.of(all.split(File.pathSeparator, -1))
                .filter(entry -> !entry.isEmpty())
                .map(Path::of)
                .filter(entry -> isOwn(entry) || isNeeded(entry))
                .toList();
    }

    private static boolean isOwn(Path entry) {
        return entry.endsWith("deploy/target/classes");
    }

    private static boolean isNeeded(Path entry) {
        String name = entry.getFileName().toString();
        boolean module = entry.endsWith("target/classes")
                && NEEDED.contains(
                        "chorale-" + entry.resolve("../..").normalize().getFileName());
        return module || NEEDED.stream().anyMatch(name::startsWith);
    }

    private static long bytes(Path entry) {
        try (Stream<Path> files = Files.walk(entry)) {
            return files.filter(Files::isRegularFile)
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.node.run.LocalCast;
import org.chorale.node.run.LocalRun;
import org.chorale.proto.wire.RunEnded;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Runs over two sources that end in the middle of an epoch, and go on, leave what such runs in peace leave. */
@Timeout(300)
final class SourcesResumeTest {
    private static final int SIGKILLED = 128 + 9;
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    /** A step in the middle of an epoch and between two checkpoints, however the sources are mixed. */
    private static final int INTERRUPTED_AFTER = 31;

    private static final int LINE_ROWS = 35;
    private static final int TABLE_ROWS = 24;

    /** Those of the lines that the filter keeps and that are not held out; they have the first numbers. */
    private static final int LINES = 27;

    private static final int TABLE = 21;

    private static final String CONCATENATED = """
            data { generate.task = null, eval.share = 0.1, train.sources = [
              { path = lines.jsonl, filter = "number % 7 != 0" }
              { path = table.csv }
            ] }
            """;

    /** The table is seen more than twice in an epoch. */
    private static final String WEIGHTED = """
            data { generate.task = null, eval.share = 0.1, train { mix = weighted, sources = [
              { path = lines.jsonl, filter = "number % 7 != 0", weight = 1 }
              { path = table.csv, map { completion = "completion + ' ' + prompt" }, weight = 2 }
            ] } }
            """;

    @TempDir
    static Path folder;

    @BeforeAll
    static void writeSources() throws IOException {
        Files.writeString(
                folder.resolve("lines.jsonl"),
                rows(LINE_ROWS, "{\"prompt\": \"Reverse: a %1$c\", \"completion\": \" %1$c a\", \"number\": %2$d}"));
        Files.writeString(
                folder.resolve("table.csv"), "prompt,completion\n" + rows(TABLE_ROWS, "Reverse: b %1$c, %1$c b"));
    }

    @Test
    void aMixByWeightGoesOnBitForBitInTheMiddleOfAnEpoch() throws InterruptedException {
        TinyRun run = stoppedAndResumed("weighted", WEIGHTED);

        assertThat(steps(run)).hasSize(TinyRun.STEPS).allSatisfy(SourcesResumeTest::assertSourcesAreThoseOfTheSamples);
        Map<Long, Long> seen = timesSeenInFirstEpoch(run);
        assertThat(seen).hasSize(LINES + TABLE);
        seen.forEach((example, times) -> assertThat(times)
                .as("example %d", example)
                .isBetween(example < LINES ? 1L : 2L, example < LINES ? 1L : 3L));
    }

    @Test
    void concatenatedSourcesGoOnBitForBitInTheMiddleOfAnEpoch() throws InterruptedException {
        TinyRun run = stoppedAndResumed("concatenated", CONCATENATED);

        assertThat(timesSeenInFirstEpoch(run))
                .hasSize(LINES + TABLE)
                .allSatisfy((example, times) -> assertThat(times).isOne());
    }

    /** Both act inside windows of the order, over the bounds of sources. */
    @Test
    void sourcesThatArePackedOrGroupedByLengthGoOnBitForBitToo() throws InterruptedException {
        stoppedAndResumed("packed", WEIGHTED, "data { packing = true, window = 16, global-batch = 3 }");
        stoppedAndResumed("grouped", CONCATENATED, "data { group-by-length = true, window = 16 }");
    }

    /** The steps after the last checkpoint are lost, and come again. */
    @Test
    @Tag("full")
    void runsThatAreKilledRepeatTheStepsThatTheyLostWithTheSameExamples() throws InterruptedException {
        killedAndResumed("weighted", WEIGHTED);
        killedAndResumed("concatenated", CONCATENATED);
    }

    private static void killedAndResumed(String name, String sources) throws InterruptedException {
        TinyRun whole = tiny("unkilled-" + name, sources);
        finish(whole);
        TinyRun killed = tiny("killed-" + name, sources);
        try (ChildJvm jvm = ChildJvm.start(killed)) {
            assertThat(jvm.awaitMetrics(INTERRUPTED_AFTER)).as(jvm::output).isTrue();
            assertThat(jvm.kill()).isEqualTo(SIGKILLED);
        }
        assertThat(killed.stepsOf("step")).doesNotContain(TinyRun.STEPS);
        finish(killed);

        assertLeavesTheSame(killed, whole);
    }

    @CanIgnoreReturnValue
    private static TinyRun stoppedAndResumed(String name, String... lines) throws InterruptedException {
        TinyRun whole = tiny("whole-" + name, lines);
        assertThat(run(whole, Integer.MAX_VALUE)).isEqualTo(RunEnded.Outcome.FINISHED);
        TinyRun stopped = tiny("stopped-" + name, lines);
        assertThat(run(stopped, INTERRUPTED_AFTER)).isEqualTo(RunEnded.Outcome.STOPPED);
        assertThat(lastEpoch(stopped)).isNotEqualTo(Math.rint(lastEpoch(stopped)));
        assertThat(run(stopped, Integer.MAX_VALUE)).isEqualTo(RunEnded.Outcome.FINISHED);

        assertLeavesTheSame(stopped, whole);
        return stopped;
    }

    private static void assertLeavesTheSame(TinyRun run, TinyRun whole) {
        assertThat(run.metrics()).isEqualTo(whole.metrics());
        assertThat(run.stepsOf("step"))
                .isEqualTo(IntStream.rangeClosed(1, TinyRun.STEPS).boxed().toList());
        assertThat(run.export()).hasSameBinaryContentAs(whole.export());
    }

    private static TinyRun tiny(String name, String... lines) {
        return TinyRun.in(folder, name, "parallel.isolation = in-process", String.join("\n", lines));
    }

    /** A start in this JVM, which a step of this number stops. */
    private static RunEnded.Outcome run(TinyRun tiny, int stopAt) throws InterruptedException {
        RunConf conf = new RunFile(tiny.conf(), folder).resolve(List.of(), Optional.of(tiny.dir()));
        CompletableFuture<LocalRun> started = new CompletableFuture<>();
        try (RunDirectory directory = RunDirectory.open(conf.dir(), conf.text());
                LocalRun run = LocalRun.start(new LocalCast(conf.text(), directory), PATIENCE, event -> {
                    if (event.hasStep() && event.getStep().getStep() == stopAt) {
                        started.join().stop("in the middle");
                    }
                })) {
            started.complete(run);
            return run.await().getOutcome();
        }
    }

    private static void finish(TinyRun run) throws InterruptedException {
        try (ChildJvm jvm = ChildJvm.start(run)) {
            assertThat(jvm.exitCode()).as(jvm::output).isZero();
        }
    }

    /** With the tokens of all of them. */
    private static void assertSourcesAreThoseOfTheSamples(JsonNode step) {
        List<Long> samples = samples(step).toList();
        long lines = samples.stream().filter(example -> example < LINES).count();
        JsonNode sources = step.get("sources");
        assertThat(sources.get("examples")).extracting(JsonNode::asLong).containsExactly(lines, samples.size() - lines);
        assertThat(sources.get("tokens").get(0).asLong()
                        + sources.get("tokens").get(1).asLong())
                .isEqualTo(step.get("tokens").asLong());
    }

    private static double lastEpoch(TinyRun run) {
        return steps(run).reduce(0.0, (before, step) -> step.get("epoch").asDouble(), (first, second) -> second);
    }

    private static Map<Long, Long> timesSeenInFirstEpoch(TinyRun run) {
        return steps(run)
                .takeWhile(step -> step.get("epoch").asDouble() <= 1)
                .flatMap(SourcesResumeTest::samples)
                .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
    }

    private static Stream<Long> samples(JsonNode step) {
        return StreamSupport.stream(step.get("samples").spliterator(), false).map(JsonNode::asLong);
    }

    private static Stream<JsonNode> steps(TinyRun run) {
        return run.metrics().stream().filter(line -> line.get("kind").asText().equals("step"));
    }

    private static String rows(int count, String format) {
        return IntStream.range(0, count)
                .mapToObj(row -> format.formatted('a' + row % 26, row) + "\n")
                .collect(Collectors.joining());
    }
}

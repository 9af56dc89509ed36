// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.stream.javadsl.Sink;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.ColumnType;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows of numbers, from the file to the columns of a batch. */
final class NumbersTest {
    private static final String NUMBERS = "data { numbers { point = 2, mass = 1 }, global-batch = 4, micro-batch = 3 }";

    private static ActorTestKit kit;

    @TempDir
    Path folder;

    @BeforeAll
    static void start() {
        kit = ActorTestKit.create(ConfigFactory.load());
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void eachFieldIsAColumnAndEachRowInItsSamplesPlace() throws IOException {
        try (RunData data = open(rows(10), NUMBERS)) {
            List<StepBatch> steps = steps(data, 0, 1, 5);
            for (StepBatch step : steps) {
                int at = 0;
                for (Batch batch : step.microBatches()) {
                    assertThat(batch.columns()).extracting(Column::name).containsExactly("mass", "point");
                    assertThat(batch.columns()).extracting(Column::type).containsOnly(ColumnType.F32);
                    float[] masses = batch.column("mass").floats();
                    float[] points = batch.column("point").floats();
                    for (int row = 0; row < masses.length; row++) {
                        int sample = (int) step.samples()[at++];
                        assertThat(masses[row]).isEqualTo(sample);
                        assertThat(points[2 * row]).isEqualTo(sample + 0.5f);
                        assertThat(points[2 * row + 1]).isEqualTo(-sample);
                    }
                }
                assertThat(at).isEqualTo(step.samples().length).isPositive();
                assertThat(step.tokens()).isZero();
            }
            assertThat(data.steps()).isEqualTo(3);
            assertThat(DataReport.sampled(data).lines()).hasSize(1);
        }
    }

    @Test
    void aRankWithoutRowsGetsColumnsOfNone() throws IOException {
        try (RunData data = open(rows(2), NUMBERS)) {
            List<Column> points = IntStream.range(0, 3)
                    .mapToObj(rank -> steps(data, rank, 3, 1).get(0))
                    .map(step -> step.microBatches().get(0).column("point"))
                    .toList();

            assertThat(points.stream().map(column -> column.shape()[0])).containsExactlyInAnyOrder(0L, 1L, 1L);
            assertThat(points)
                    .allSatisfy(column -> assertThat(column.shape()[1]).isEqualTo(2));
        }
    }

    @Test
    void aBadRowIsToldWithFileAndLine() throws IOException {
        Path rows = Files.writeString(folder.resolve("rows.jsonl"), line(1) + "{\"point\": [1, 2]}\n");

        assertThatThrownBy(() -> open(rows, NUMBERS))
                .isInstanceOfSatisfying(
                        FaultException.class,
                        fault -> assertThat(fault.fault().code()).isEqualTo(FaultCode.DATA_MALFORMED))
                .hasMessageContaining("rows.jsonl:2: the row has no field mass; must be a number");
    }

    @Test
    void whatNeedsTextIsRefusedWithNumbers() throws IOException {
        Path rows = rows(2);
        assertThatThrownBy(() -> open(
                        rows,
                        "data { numbers { \"a-b\" = 0 }, packing = true, truncation = split, tokenizer.path = /t,"
                                + " chat { template = /c, train-on = all } }"))
                .hasMessage("""
                        data.numbers."a-b": the name must be of letters, digits and underscores, and begin with no digit
                        data.numbers.a-b = 0: must be 1 to 1048576
                        data.chat.template needs rows of text; with data.numbers it must not be set
                        data.chat.train-on needs rows of text; with data.numbers it must not be set
                        data.packing needs rows of text; with data.numbers it must not be set
                        data.tokenizer.path needs rows of text; with data.numbers it must not be set
                        data.truncation needs rows of text; with data.numbers it must not be set""");
        assertThatThrownBy(() -> open(rows, "data { numbers { x = 1000 }, micro-batch = 2000 }"))
                .hasMessage("data.micro-batch = 2000 with 1000 numbers a row (data.numbers): their product must be at"
                        + " most 1048576");
        Path texts = Files.createDirectory(folder.resolve("texts"));
        Files.writeString(texts.resolve("one.txt"), "1 2 3");
        assertThatThrownBy(() -> open(texts, NUMBERS))
                .hasMessageContaining("it has texts and no rows; with data.numbers it must have rows");
    }

    @Test
    void anIndexOfOtherFieldsIsMadeAnew() throws IOException {
        Path rows = rows(3);
        open(rows, NUMBERS).close();

        assertThatThrownBy(() -> open(rows, "data.numbers { speed = 1 }"))
                .hasMessageContaining("the row has no field speed");
    }

    private static List<StepBatch> steps(RunData data, int rank, int worldSize, int count) {
        BatchStream stream =
                new BatchStream(data.settings().data(), data.tokenizer().pad(), ForkJoinPool.commonPool(), 2);
        return stream.training(data.order(), data.train()::read, 0, rank, worldSize)
                .take(count)
                .runWith(Sink.seq(), kit.system())
                .toCompletableFuture()
                .orTimeout(30, TimeUnit.SECONDS)
                .join();
    }

    private RunData open(Path rows, String settings) {
        return RunData.open(FeedSettings.read(RunConf.of(
                "run.dir = \"" + folder.resolve("run") + "\"", "data.train.path = \"" + rows + "\"", settings)));
    }

    private Path rows(int count) throws IOException {
        return Files.writeString(
                folder.resolve("rows.jsonl"),
                IntStream.range(0, count).mapToObj(NumbersTest::line).collect(Collectors.joining()));
    }

    private static String line(int row) {
        return "{\"mass\": %d, \"point\": [%s, %d]}\n".formatted(row, row + 0.5, -row);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.chorale.proto.fault.FaultKind;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class StatsTest {
    private static final Path TOKENIZER = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy/recipes/quickstart/model");

    private final Shell shell = new Shell();

    @TempDir
    Path folder;

    /** Ten rows of a, the last of which repeats the first; b has twenty of two tokens, one of them malformed. */
    @BeforeEach
    void writeRows() throws IOException {
        Files.writeString(folder.resolve("a.jsonl"), rows(0, 9, "{\"input_ids\": [%1$d]}") + "{\"input_ids\": [0]}\n");
        Files.writeString(
                folder.resolve("b.jsonl"),
                rows(100, 119, "{\"input_ids\": [%1$d, 1], \"n\": %1$d}") + "{\"text\": 7, \"n\": 100}\u001b\n");
        Files.writeString(folder.resolve("e.jsonl"), "{\"input_ids\": [3]}\n{\"input_ids\": [77]}\n");
        Files.createDirectory(folder.resolve("model"));
        Files.writeString(folder.resolve("my.conf"), """
                model.path = model
                data { sequence-tokens = 4, global-batch = 2, micro-batch = 2 }
                data.tokenizer.path = "TOKENIZER"
                data.train {
                  sources = [{ path = a.jsonl, weight = 1 }, { path = b.jsonl, weight = 2, filter = "n < 115" }]
                  mix = weighted
                  exhausted = stop
                }
                data.eval.path = e.jsonl
                """.replace("TOKENIZER", TOKENIZER.toString()));
    }

    @Test
    void everyFigureIsInTheObject() throws IOException {
        assertThat(stats("--json", "data.malformed-rows=skip")).as(shell.err()).isZero();
        JsonNode all = new ObjectMapper().readTree(shell.out());
        assertThat(all.get("sources")).hasSize(3);
        JsonNode b = all.get("sources").get(1);
        assertThat(b.get("key").asText()).isEqualTo("data.train.sources[1]");
        assertThat(b.get("rows").asInt()).isEqualTo(20);
        assertThat(b.get("rows_filtered").asInt()).isEqualTo(4);
        assertThat(b.get("rows_skipped").asInt()).isEqualTo(1);
        assertThat(b.get("skipped").properties().iterator().next().getKey()).startsWith("the row is not JSON: ");
        assertThat(b.get("first_skipped").get(0).asText())
                .startsWith(folder.resolve("b.jsonl") + ":20: the row is not JSON: ");
        assertThat(b.get("examples").asInt()).isEqualTo(15);
        assertThat(b.get("tokens").asInt()).isEqualTo(30);
        assertThat(b.get("epoch_share").asDouble()).isBetween(0.63, 0.69);
        assertThat(b.get("length_percentiles").get("50").asInt()).isEqualTo(2);
        assertThat(b.get("lengths")).hasSize(1);
        assertThat(b.get("lengths").get(0).get("examples").asInt()).isEqualTo(15);
        assertThat(all.get("epoch_examples").asInt()).isBetween(22, 23);
        assertThat(all.get("packed_fill").asDouble()).isBetween(0.9, 1.0);
        assertThat(all.get("duplicates").asInt()).isEqualTo(1);
        assertThat(all.get("held_out_in_training").asInt()).isEqualTo(1);
        assertThat(all.get("sources").get(2).get("held_out").asBoolean()).isTrue();
    }

    @Test
    void peopleAreToldTheSameAndNothingIsLeftBehind() throws IOException {
        assertThat(stats("data.malformed-rows=skip")).as(shell.err()).isZero();
        assertThat(shell.out())
                .contains("data.train.sources[1] = " + folder.resolve("b.jsonl"))
                .contains("rows              20, 4 filtered, 1 left out")
                .contains("1: the row is not JSON: ")
                .contains("left out          " + folder.resolve("b.jsonl") + ":20: the row is not JSON: ")
                .containsPattern("examples          15, 6\\d\\.\\d % of an epoch")
                .containsPattern("2 to 2  #+ +15\n")
                .contains("duplicates        1 training examples are the same as one before, 1 held-out ones")
                .doesNotContain("\u001b");
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).hasSize(5);
        }
    }

    @Test
    void heldOutRowsAreASourceOfTheirOwn() throws IOException {
        assertThat(stats("--json", "data.eval.path=null", "data.eval.rows=5", "data.malformed-rows=skip"))
                .as(shell.err())
                .isZero();
        JsonNode sources = new ObjectMapper().readTree(shell.out()).get("sources");
        assertThat(IntStream.range(0, 4).map(i -> sources.get(i).get("examples").asInt()))
                .containsExactly(8, 12, 2, 3);
        assertThat(sources.get(2).get("path").asText()).endsWith("a.jsonl");
    }

    @Test
    void aRowThatWouldEndTheRunIsToldAfterAllFiguresAndIsWrongInput() throws IOException {
        assertThat(stats()).isEqualTo(ExitCode.of(FaultKind.USER));
        assertThat(shell.out()).contains("20, 4 filtered, 1 left out").contains("duplicates");
        assertThat(shell.err())
                .startsWith("error [DATA_MALFORMED] " + folder.resolve("b.jsonl") + ":20: the row is not JSON: ")
                .contains("leave them out with data.malformed-rows = skip");
    }

    @Test
    void ofManyMalformedRowsTheFirstAreNamed() throws IOException {
        Path file = Files.writeString(
                folder.resolve("b.jsonl"),
                "{\"input_ids\": [1], \"n\": 1}\n" + rows(0, 30, "{\"text\": 7, \"n\": %1$d}"));

        assertThat(stats("data.malformed-rows=skip")).as(shell.err()).isZero();
        assertThat(shell.out().lines().filter(line -> line.contains(file + ":")))
                .hasSize(5)
                .first()
                .asString()
                .startsWith("  left out, first   " + file + ":2: ");
        assertThat(shell.out().lines().filter(line -> line.contains(file + ":6: ")))
                .hasSize(1);
    }

    @Test
    void aSourceWithoutUsableRowsSaysWhatIsWrongWithItsFirst() throws IOException {
        Path file = Files.writeString(folder.resolve("b.jsonl"), rows(0, 30, "{\"text\": 7, \"n\": %1$d}"));

        assertThat(stats()).isEqualTo(ExitCode.of(FaultKind.USER));
        assertThat(shell.err())
                .contains("[DATA_EMPTY] data.train.sources[1].path = " + file)
                .contains("(30 malformed rows, 0 that the filter leaves out); the first is " + file + ":1: ");
    }

    private static String rows(int from, int until, String row) {
        return IntStream.range(from, until)
                .mapToObj(i -> row.formatted(i) + "\n")
                .collect(Collectors.joining());
    }

    private int stats(String... arguments) {
        return shell.run(
                folder,
                Stream.concat(Stream.of("data", "stats", "my.conf"), Stream.of(arguments))
                        .toArray(String[]::new));
    }
}

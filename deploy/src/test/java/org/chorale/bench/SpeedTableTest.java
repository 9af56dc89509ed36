// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SpeedTableTest {
    private static final Path ROOT =
            Path.of(Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"));

    @TempDir
    private Path folder;

    @Test
    void theTableOfTheReadmeSaysWhatTheResultsSay() throws IOException {
        String readme = Files.readString(ROOT.resolve("README.md"));
        String table = new SpeedTable(SpeedResult.readAll(ROOT.resolve("deploy/bench/results"))).markdown();
        assertThat(SpeedTable.placed(readme, table))
                .as("README.md is out of date; this rewrites it: deploy/bench/table")
                .isEqualTo(readme);
    }

    @Test
    void aRowHasItsNewestResultAndThePeersBesideIt() throws IOException {
        results("b.jsonl", line("chorale", "2026-01-02", 2000, "")); // the later day, in the file that is read first
        results(
                "c.jsonl",
                line("chorale", "2026-01-01", 1000, ""),
                line("transformers, eager", "2026-01-01", 500, ""),
                line("transformers, compiled", "2026-01-01", 800.4, ", 'sequences': 2, 'recompute': 'full'"),
                line("transformers, compiled", "2026-01-01", 900, ", 'machine': 'another'"));
        assertThat(table().lines())
                .startsWith(
                        "| B sequences of T tokens | Chorale, tokens/s | memory | Transformers or PEFT | memory |",
                        "| --- | --- | --- | --- | --- |",
                        "| 1.1B, full fine-tune in bf16, B 8 T 2048, nothing recomputed | 2,000 | 1.5 GiB | compiled 800 at"
                                + " B 2 T 2048, everything recomputed; eager 500 | 1.5 GiB; 1.5 GiB |")
                .contains("* 2026-01-02, GPU: `run chorale`")
                .contains("* 2026-01-01, GPU: `run transformers, compiled`, `run transformers, eager`");
    }

    @Test
    void rowsStandInTheOrderOfTheBenchAndOtherSettingsForThemselves() throws IOException {
        results(
                "a.jsonl",
                line("chorale", "2026-01-01", 3, ", 'row': 'tiny', 'precision': 'fp32', 'tf32': true"),
                line("chorale", "2026-01-01", 2, ", 'row': 'tiny', 'precision': 'fp32', 'peak_allocated_gib': null"),
                line("chorale", "2026-01-01", 1, ""));
        assertThat(table().lines().skip(2).limit(3))
                .satisfiesExactly(
                        row -> assertThat(row).startsWith("| 1.1B"),
                        row -> assertThat(row).startsWith("| 0.9M, full fine-tune in fp32 with tf32,"),
                        row -> assertThat(row)
                                .startsWith("| 0.9M, full fine-tune in fp32,")
                                .endsWith("| 2 | not counted | not measured |  |"));
    }

    @Test
    void aControlStandsBesideWhatItMeasuresAgainAndReplacesNothing() throws IOException {
        results(
                "a.jsonl",
                line("chorale", "2026-01-01", 1000, ""),
                line("transformers, eager", "2026-01-01", 500, ""),
                line("transformers, eager", "2026-02-01", 490, ", 'control': true"));
        assertThat(table())
                .contains("| eager 500 |")
                .endsWith(
                        "* Control for drift: `run transformers, eager` gave 490 tokens/s on 2026-02-01, 0.980 of what it"
                                + " had given on 2026-01-01.\n");
    }

    @Test
    void aControlOfNothingIsRefused() throws IOException {
        results("a.jsonl", line("transformers, eager", "2026-02-01", 490, ", 'control': true"));
        assertThatThrownBy(this::table).hasMessageContaining("measures nothing again");
    }

    @Test
    void allThatIsWrongWithTheResultsIsToldWithFileAndLine() throws IOException {
        results("a.jsonl", "{\"row\": 1", "", line("chorale", "2026-01", -1, ", 'command': ' '"));
        assertThatThrownBy(this::table)
                .isInstanceOf(IllegalArgumentException.class)
                .satisfies(e -> assertThat(String.valueOf(e.getMessage()).lines())
                        .satisfiesExactly(
                                problem -> assertThat(problem).startsWith("a.jsonl:1: is no JSON: "),
                                problem ->
                                        assertThat(problem).isEqualTo("a.jsonl:3: command is missing: must be a text"),
                                problem -> assertThat(problem)
                                        .isEqualTo("a.jsonl:3: tokens_per_second is missing: must be a number above 0"),
                                problem -> assertThat(problem)
                                        .isEqualTo("a.jsonl:3: date = 2026-01: must be as 2026-01-31")));
    }

    @Test
    void aReadmeWithoutTheMarksIsLeftAlone() {
        assertThat(SpeedTable.placed("a\n" + SpeedTable.BEGIN + "old\n" + SpeedTable.END + "b\n", "new\n"))
                .isEqualTo("a\n" + SpeedTable.BEGIN + "new\n" + SpeedTable.END + "b\n");
        for (String text : List.of("", SpeedTable.BEGIN, SpeedTable.END + SpeedTable.BEGIN)) {
            assertThatThrownBy(() -> SpeedTable.placed(text, "new")).hasMessageContaining("README.md: has no lines");
        }
    }

    private String table() throws IOException {
        return new SpeedTable(SpeedResult.readAll(folder)).markdown();
    }

    private void results(String file, String... lines) throws IOException {
        Files.write(folder.resolve(file), List.of(lines));
    }

    /** The last of two values of a key counts, so that {@code more} may change what stands before it. */
    private static String line(String system, String date, double speed, String more) {
        return ("{'row': '1b-full', 'system': '%s', 'precision': 'bf16', 'recompute': 'none', 'sequences': 8, 'tokens': 2048,"
                        + " 'tokens_per_second': %s, 'peak_allocated_gib': 1.5, 'date': '%s', 'machine': 'GPU',"
                        + " 'command': 'run %s'%s}")
                .formatted(system, speed, date, system, more)
                .replace('\'', '"');
    }
}

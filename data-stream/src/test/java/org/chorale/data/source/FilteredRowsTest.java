// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import org.chorale.data.row.RowStepsConfig;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FilteredRowsTest {
    private static final String KEY = "data.train.sources[0]";
    private static final String ROWS = """
            {"id": 1, "question": "Why?", "answer": "Because.", "lang": "en"}
            {"id": 2, "question": "Warum?", "answer": "Weil.", "lang": "de"}

            {"id": 3, "question": "Who?", "answer": "Me.", "lang": "en"}
            {"id": 4, "question": "Wer?"}
            """;

    @TempDir
    Path folder;

    @Test
    void onlyRowsThatAreKeptAreExamplesAndEachIsWhatMapMakesOfIt() throws IOException {
        try (ExampleSource source = open(ROWS, MalformedRows.FAIL, steps("'lang' in row && lang == 'en'"))) {
            assertThat(examples(source))
                    .containsExactly(new Example.Pair("Q: Why?", "Because."), new Example.Pair("Q: Who?", "Me."));
            assertThat(source.rowsFiltered()).isEqualTo(2);
            assertThat(source.skipped().count()).isZero();
            assertThat(source.place(1).toString()).endsWith("rows.jsonl:4");
        }
    }

    @Test
    void aRowOnWhichAnExpressionFailsIsMalformedWithFileAndLine() throws IOException {
        assertThatThrownBy(() -> open(ROWS, MalformedRows.FAIL, steps("lang == 'en'")))
                .isInstanceOfSatisfying(FaultException.class, e -> {
                    assertThat(e.fault().code()).isEqualTo(FaultCode.DATA_MALFORMED);
                    assertThat(e.fault().message())
                            .isEqualTo(folder.resolve("rows.jsonl") + ":5: " + KEY
                                    + ".filter = \"lang == 'en'\": the row has no column lang; it has id, question");
                });
        try (ExampleSource source = open(ROWS, MalformedRows.SKIP, steps("lang == 'en'"))) {
            assertThat(source.examples()).isEqualTo(2);
            assertThat(source.rowsFiltered()).isEqualTo(1);
            assertThat(source.skipped().byReason())
                    .containsOnlyKeys(KEY.replace('0', 'N') + ".filter = \"lang == 'en'\":"
                            + " the row has no column lang; it has id, question");
        }
    }

    @Test
    void verdictsAreKeptUntilTheFilterChanges() throws IOException {
        open(ROWS, MalformedRows.SKIP, steps("lang == 'en'")).close();
        Object made = inode();
        open(ROWS, MalformedRows.SKIP, steps("lang == 'en'")).close();
        assertThat(inode()).isEqualTo(made);
        try (ExampleSource source = open(ROWS, MalformedRows.SKIP, steps("lang == 'de'"))) {
            assertThat(source.examples()).isEqualTo(1);
        }
    }

    @Test
    void aFilterThatKeepsNothingIsTold() {
        assertThatThrownBy(() -> open(ROWS, MalformedRows.FAIL, steps("false")))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("has no usable example (0 malformed rows, 4 that the filter leaves out)");
    }

    @Test
    void aFolderOfTextsHasNoColumns() throws IOException {
        Path texts = Files.createDirectory(folder.resolve("texts"));
        Files.writeString(texts.resolve("a.txt"), "text");
        SourceSettings settings = new SourceSettings(
                KEY + ".path",
                texts,
                SourceConfig.of(texts),
                MalformedRows.FAIL,
                64,
                steps("true").build(KEY),
                NumberFields.NONE);
        assertThatThrownBy(() -> ExampleSource.open(settings, TextTokenizer.none(), folder.resolve("i.idx")))
                .hasMessageContaining(KEY + ".path = " + texts + ": a folder of texts has no columns");
    }

    @Test
    void numbersAndNullsOfATreeStayWhatTheyAre() throws IOException {
        String tools = "[{\"name\":\"f\",\"max\":123456789012345678901234567890,\"min\":1.5,\"none\":null,\"n\":3}]";
        String row = "{\"messages\": [{\"role\": \"assistant\", \"content\": \"x\"}], \"tools\": " + tools + "}\n";
        RowStepsConfig keep = new RowStepsConfig(Optional.of("true"), List.of(), Map.of(), List.of());
        try (ExampleSource source = open(row, MalformedRows.FAIL, keep)) {
            Example.Chat chat = (Example.Chat) source.read(0);
            assertThat(String.valueOf(chat.tools())).isEqualTo(tools);
        }
    }

    @Test
    void reasonsAreCountedByKindWhateverTheirNumbersAre() {
        Rejections rejections = new Rejections(MalformedRows.SKIP);
        for (int i = 0; i < 30; i++) {
            rejections.reject(RowPlace.of(Path.of("f.jsonl"), i), "the row has %d bytes".formatted(i));
        }
        for (int i = 0; i < 1000; i++) {
            rejections.reject(RowPlace.of(Path.of("f.jsonl"), i), "reason " + "x".repeat(i));
        }
        assertThat(rejections.skipped().count()).isEqualTo(1030);
        assertThat(rejections.skipped().byReason())
                .containsEntry("the row has N bytes", 30L)
                .hasSize(21);
    }

    @Test
    void theFirstSkippedRowsSurviveOnDiskHoweverLongTheirMessages() throws IOException {
        Rejections rejections = new Rejections(MalformedRows.SKIP);
        for (int i = 1; i <= 9; i++) {
            rejections.reject(RowPlace.of(Path.of("f.jsonl"), i), "\uD83D\uDE00".repeat(70_000));
        }
        ByteArrayOutputStream written = new ByteArrayOutputStream();
        rejections.skipped().write(new DataOutputStream(written));
        SkippedRows read = SkippedRows.read(new DataInputStream(new ByteArrayInputStream(written.toByteArray())));

        assertThat(read).isEqualTo(rejections.skipped());
        assertThat(read.first())
                .hasSize(SkippedRows.MAX_TOLD)
                .allMatch(message -> message.codePointCount(0, message.length()) == 4000);
        assertThat(read.first().get(4)).startsWith("f.jsonl:5: ");
    }

    private RowStepsConfig steps(String filter) {
        return new RowStepsConfig(
                Optional.of(filter),
                List.of(),
                Map.of("prompt", "'Q: ' + question", "completion", "answer"),
                List.of("prompt", "completion"));
    }

    private ExampleSource open(String rows, MalformedRows policy, RowStepsConfig steps) throws IOException {
        Path file = folder.resolve("rows.jsonl");
        if (!Files.exists(file)) {
            Files.writeString(file, rows);
        }
        SourceSettings settings = new SourceSettings(
                KEY + ".path", file, SourceConfig.of(file), policy, 64, steps.build(KEY), NumberFields.NONE);
        return ExampleSource.open(settings, TextTokenizer.none(), folder.resolve("rows.idx"));
    }

    private Object inode() throws IOException {
        return Files.getAttribute(folder.resolve("rows.idx"), "unix:ino");
    }

    private static List<Example> examples(ExampleSource source) {
        return LongStream.range(0, source.examples()).mapToObj(source::read).toList();
    }
}

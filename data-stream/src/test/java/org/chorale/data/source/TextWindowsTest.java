// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.Tokenizers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TextWindowsTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"bytelevel, 16", "bytelevel, 64", "bytelevel, 500", "metaspace, 16", "metaspace, 64", "metaspace, 500"})
    void windowsHoldTheWholeTextInOrderAndFitIntoASequence(String name, int sequenceTokens) throws IOException {
        String text = prose(new Random(sequenceTokens), 400);
        try (TextTokenizer tokenizer = tokenizer(name)) {
            List<Example.Text> windows = windows(tokenizer, text, sequenceTokens);
            assertThat(joined(windows)).isEqualTo(text);
            assertThat(windows)
                    .allSatisfy(window -> assertThat(tokenizer.encode(window.text(), true).length + 1)
                            .isLessThanOrEqualTo(sequenceTokens));
            assertThat(windows.stream().map(Example.Text::endsDocument))
                    .containsExactlyElementsOf(IntStream.range(0, windows.size())
                            .mapToObj(i -> i == windows.size() - 1)
                            .toList());
        }
    }

    @ParameterizedTest
    @CsvSource({"bytelevel, 200", "metaspace, 200"})
    void windowsEndAtLinesAndAreNearlyFull(String name, int sequenceTokens) throws IOException {
        String text = prose(new Random(1), 2000);
        try (TextTokenizer tokenizer = tokenizer(name)) {
            List<Example.Text> windows = windows(tokenizer, text, sequenceTokens);
            assertThat(windows.subList(0, windows.size() - 1))
                    .allSatisfy(window -> assertThat(window.text()).endsWith("\n"));
            double tokens = windows.stream()
                    .mapToInt(window -> tokenizer.encode(window.text(), true).length)
                    .average()
                    .orElseThrow();
            assertThat(tokens).isGreaterThan(0.8 * sequenceTokens);
        }
    }

    @ParameterizedTest
    @CsvSource({"bytelevel, 8", "bytelevel, 100", "metaspace, 8", "metaspace, 100"})
    void aLineThatIsLongerThanAWindowIsCutBetweenCharacters(String name, int sequenceTokens) throws IOException {
        String text = "🙂👩‍👩‍👧‍👦日本語ß and_no_line_end ".repeat(300);
        try (TextTokenizer tokenizer = tokenizer(name)) {
            List<Example.Text> windows = windows(tokenizer, text, sequenceTokens);
            assertThat(joined(windows)).isEqualTo(text);
            assertThat(windows).allSatisfy(window -> {
                assertThat(window.text()).doesNotContain("\uFFFD");
                assertThat(tokenizer.encode(window.text(), true).length + 1).isLessThanOrEqualTo(sequenceTokens);
            });
        }
    }

    @Test
    void aCharacterOfMoreTokensThanFitIsAWindowOfItsOwn() throws IOException {
        try (TextTokenizer tokenizer = tokenizer("bytelevel")) {
            List<Example.Text> windows = windows(tokenizer, "🙂🙂🙂", 3);
            assertThat(windows).extracting(Example.Text::text).containsExactly("🙂", "🙂", "🙂");
        }
    }

    @Test
    void aTextThatFitsIsOneWindow() throws IOException {
        try (TextTokenizer tokenizer = tokenizer("bytelevel")) {
            assertThat(windows(tokenizer, "two\nlines", 512)).containsExactly(new Example.Text("two\nlines", true));
        }
    }

    @Test
    void millionsOfBlanksAreCutWithoutTakingForever() throws IOException {
        String text = " ".repeat(300_000) + "\n".repeat(100_000) + "x".repeat(100_000);
        try (TextTokenizer tokenizer = tokenizer("metaspace")) {
            assertThat(joined(windows(tokenizer, text, 512))).isEqualTo(text);
        }
    }

    private List<Example.Text> windows(TextTokenizer tokenizer, String text, int sequenceTokens) throws IOException {
        Path texts = Files.createDirectories(folder.resolve("texts"));
        Files.writeString(texts.resolve("a.txt"), text);
        SourceSettings settings = new SourceSettings("data.train.path", texts, MalformedRows.FAIL, sequenceTokens);
        try (ExampleSource source = ExampleSource.open(settings, tokenizer, folder.resolve("train.idx"))) {
            return LongStream.range(0, source.examples())
                    .mapToObj(source::read)
                    .map(Example.Text.class::cast)
                    .toList();
        }
    }

    private static String joined(List<Example.Text> windows) {
        return windows.stream().map(Example.Text::text).collect(Collectors.joining());
    }

    private static TextTokenizer tokenizer(String name) {
        return TextTokenizer.load(name.equals("bytelevel") ? Tokenizers.byteLevel() : Tokenizers.metaspace(), null);
    }

    private static String prose(Random random, int lines) {
        List<String> words = List.of("the", "model", "ünder", "train", "日本", "of", "a", "license", "🙂", "42", "\t");
        return IntStream.range(0, lines)
                .mapToObj(line -> random.ints(random.nextInt(12), 0, words.size())
                        .mapToObj(words::get)
                        .collect(Collectors.joining(" ")))
                .map(line -> line.length() > 60 ? line.substring(0, line.offsetByCodePoints(0, 40)) : line)
                .collect(Collectors.joining("\n"));
    }
}

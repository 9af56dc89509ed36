// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WordReversalTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    @Test
    void aRowAsksForTheLettersInReverse() {
        List<String> rows = new WordReversal(7).training(500).toList();
        assertThat(rows).allSatisfy(row -> {
            JsonNode json = JSON.readTree(row);
            assertThat(json.get("prompt").asText()).matches("Reverse: [a-z]( [a-z]){3,6}\nAnswer:");
            assertThat(json.get("completion").asText()).matches("( [a-z]){4,7}");
            assertThat(answer(row))
                    .isEqualTo(new StringBuilder(word(row)).reverse().toString());
        });
        assertThat(rows.stream().map(row -> word(row).length()).collect(Collectors.toSet()))
                .containsExactlyInAnyOrder(4, 5, 6, 7);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 7, -1, 123_456_789})
    void noHeldOutPairCanBeAnsweredByLookingUpATrainingPair(long seed) {
        List<String> training = new WordReversal(seed).training(60_000).toList();
        List<String> heldOut = new WordReversal(seed).heldOut(8_000).toList();
        Set<String> trainingWords = words(training);
        Set<String> heldOutWords = words(heldOut);

        assertThat(trainingWords).hasSize(60_000);
        assertThat(heldOutWords).hasSize(8_000);
        assertThat(heldOutWords.stream()).noneMatch(trainingWords::contains);
        assertThat(heldOut.stream().map(WordReversalTest::answer)).noneMatch(trainingWords::contains);
        assertThat(trainingWords).noneMatch(WordReversalTest::isPalindrome);
        assertThat(heldOutWords).noneMatch(WordReversalTest::isPalindrome);
    }

    @Test
    void theSeedDecidesThePairs() {
        assertThat(new WordReversal(7).training(100))
                .containsExactlyElementsOf(
                        new WordReversal(7).training(200).limit(100).toList());
        assertThat(words(new WordReversal(7).training(1000).toList()))
                .isNotEqualTo(words(new WordReversal(8).training(1000).toList()));
    }

    @Test
    void theMostRowsThatAreAllowedAreThere() {
        assertThat(new WordReversal(7).heldOut(100_000)).hasSize(100_000);
        assertThat(new WordReversal(7).training(1_000_000).skip(999_999)).hasSize(1);
    }

    @Test
    void filesThatAreRightAreLeftAlone() throws IOException {
        GeneratedData data = GeneratedData.in(folder);
        data.write(config(50, 10));
        assertThat(Files.readAllLines(data.train())).hasSize(50);
        assertThat(Files.readAllLines(data.heldOut())).hasSize(10);
        FileTime old = FileTime.from(Instant.parse("2020-01-01T00:00:00Z"));
        Files.setLastModifiedTime(data.train(), old);
        Files.setLastModifiedTime(data.heldOut(), old);
        data.write(config(50, 10));
        assertThat(Files.getLastModifiedTime(data.train())).isEqualTo(old);
        assertThat(Files.getLastModifiedTime(data.heldOut())).isEqualTo(old);
    }

    @Test
    void filesThatAreNotAsTheyShouldBeAreReplaced() throws IOException {
        GeneratedData data = GeneratedData.in(folder);
        data.write(config(50, 10));
        byte[] right = Files.readAllBytes(data.train());
        for (String wrong : List.of("", "half a r", new String(right, StandardCharsets.UTF_8) + "x")) {
            Files.writeString(data.train(), wrong);
            data.write(config(50, 10));
            assertThat(Files.readAllBytes(data.train())).isEqualTo(right);
        }
        data.write(config(51, 10));
        assertThat(Files.readAllLines(data.train())).hasSize(51);
    }

    @Test
    void rowsThatCannotBeAreRefusedTogether() {
        assertThatThrownBy(() -> config(0, 100_001))
                .hasMessage("data.generate.train-rows = 0: must be 1 to 1000000\n"
                        + "data.generate.held-out-rows = 100001: must be 1 to 100000");
    }

    private static GenerateConfig config(int trainRows, int heldOutRows) {
        return new GenerateConfig(Optional.of(GenerateTask.REVERSE_WORDS), trainRows, heldOutRows, 7);
    }

    private static Set<String> words(List<String> rows) {
        return rows.stream().map(WordReversalTest::word).collect(Collectors.toSet());
    }

    private static String word(String row) {
        return field(row, "prompt")
                .replace("Reverse:", "")
                .replace("Answer:", "")
                .replaceAll("\\s", "");
    }

    private static String answer(String row) {
        return field(row, "completion").replace(" ", "");
    }

    private static String field(String row, String name) {
        try {
            return JSON.readTree(row).get(name).asText();
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(row, e);
        }
    }

    private static boolean isPalindrome(String word) {
        return new StringBuilder(word).reverse().toString().equals(word);
    }
}

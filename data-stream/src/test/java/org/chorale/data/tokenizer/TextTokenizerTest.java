// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TextTokenizerTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"bytelevel", "metaspace"})
    void everyGoldenIsEqual(String name) throws IOException {
        Path path = name.equals("bytelevel") ? Tokenizers.byteLevel() : Tokenizers.metaspace();
        JsonNode goldens = JSON.readTree(path.resolve("golden.json").toFile()).get("encode");
        assertThat(goldens.size()).isEqualTo(12);
        try (TextTokenizer tokenizer = TextTokenizer.load(path, null)) {
            for (JsonNode golden : goldens) {
                String text = golden.get("text").asText();
                long[] expected = longs(golden.get("ids"));
                assertThat(tokenizer.encode(text, true)).as(text).isEqualTo(expected);
                assertThat(tokenizer.encode(text, false)).as(text).isEqualTo(longs(golden.get("ids_no_special")));
                assertThat(offsets(tokenizer.encodeSpans(text, true))).as(text).isEqualTo(golden.get("offsets"));
                assertThat(tokenizer.decode(expected, false))
                        .isEqualTo(golden.get("decoded").asText());
                assertThat(tokenizer.decode(expected, true))
                        .isEqualTo(golden.get("decoded_skip").asText());
            }
        }
    }

    @Test
    void theSpecialTokensAreThoseThatTheSettingsName() {
        try (TextTokenizer tokenizer = TextTokenizer.load(Tokenizers.byteLevel(), null)) {
            assertThat(tokenizer.eos()).isEqualTo(4);
            assertThat(tokenizer.pad()).isEqualTo(4);
            assertThat(tokenizer.tokenIds()).isEqualTo(900);
            assertThat(tokenizer.addedTokens()).isEqualTo(1);
            assertThat(tokenizer.addsEos()).isFalse();
            assertThat(tokenizer.digest()).matches("[0-9a-f]{64}");
        }
    }

    @Test
    void theStartOfALongTextEndsBetweenCharactersAndHasTheTokensOfTheWhole() {
        try (TextTokenizer tokenizer = TextTokenizer.load(Tokenizers.byteLevel(), null)) {
            String text = "a" + "\uD83D\uDE00".repeat(1 << 16); // every even place is within a character
            long[] start = tokenizer.encodeStart(text, true, 100);
            assertThat(start).isEqualTo(tokenizer.encode(text.substring(0, (1 << 16) + 1), true));
            assertThat(tokenizer.encode(text, true)).startsWith(Arrays.copyOf(start, 100));
        }
    }

    @Test
    void theStartOfATextWithFewTokensIsAsLongAsItMustBe() throws IOException {
        String word = "<|" + "long".repeat(32) + "|>";
        ObjectNode json = (ObjectNode)
                JSON.readTree(Tokenizers.byteLevel().resolve("tokenizer.json").toFile());
        ObjectNode added = json.withArray("added_tokens").get(0).deepCopy();
        ((ArrayNode) json.get("added_tokens")).add(added.put("id", 900).put("content", word));
        Files.writeString(folder.resolve("tokenizer.json"), json.toString());
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\": \"<|eot_id|>\"}");
        try (TextTokenizer tokenizer = TextTokenizer.load(folder, null)) {
            String text = word.repeat(3000); // 132 characters per token
            assertThat(tokenizer.encodeStart(text, true, 900)) // the first look, at 2¹⁶ characters, has about 500
                    .startsWith(Arrays.copyOf(tokenizer.encode(text, true), 900));
            assertThat(tokenizer.encodeStart(text, true, 4000)).isEqualTo(tokenizer.encode(text, true));
        }
    }

    @Test
    void theFileItselfMayBeNamed() {
        Path file = Tokenizers.metaspace().resolve("tokenizer.json");
        try (TextTokenizer tokenizer = TextTokenizer.load(file, null)) {
            assertThat(tokenizer.eos()).isEqualTo(2);
        }
    }

    @Test
    void anAddedTokenBeyondTheVocabularyCounts() throws IOException {
        ObjectNode json = tokenizerJson();
        ((ArrayNode) json.get("added_tokens"))
                .add(JSON.readTree("{\"id\":5000,\"content\":\"<far>\",\"single_word\":false,\"lstrip\":false,"
                        + "\"rstrip\":false,\"normalized\":false,\"special\":true}"));
        // the library counts on from the vocabulary; the file's word is what a model has to have room for
        write("tokenizer.json", json.toString());
        write("tokenizer_config.json", "{\"eos_token\": {\"content\": \"<|eot_id|>\"}}");
        try (TextTokenizer tokenizer = TextTokenizer.load(folder, null)) {
            assertThat(tokenizer.tokenIds()).isEqualTo(5001);
            assertThat(tokenizer.eos()).isEqualTo(4);
        }
    }

    @Test
    void truncationAndPaddingOfTheFileAreNotCarriedOut() throws IOException {
        ObjectNode json = tokenizerJson();
        json.set(
                "truncation",
                JSON.readTree(
                        "{\"direction\":\"Right\",\"max_length\":3,\"strategy\":\"LongestFirst\"," + "\"stride\":0}"));
        json.set(
                "padding",
                JSON.readTree("{\"strategy\":{\"Fixed\":64},\"direction\":\"Right\","
                        + "\"pad_to_multiple_of\":null,\"pad_id\":0,\"pad_type_id\":0,\"pad_token\":\"x\"}"));
        write("tokenizer.json", json.toString());
        write("tokenizer_config.json", "{\"eos_token\": \"<|eot_id|>\"}");
        try (TextTokenizer tokenizer = TextTokenizer.load(folder, null)) {
            assertThat(tokenizer.encode("Hello, world!", true)).hasSize(10);
        }
    }

    @Test
    void theModelNamesTheEndWhereTheTokenizerDoesNot() throws IOException {
        write("tokenizer.json", tokenizerJson().toString());
        Path model = Files.createDirectory(folder.resolve("model"));
        Files.writeString(model.resolve("config.json"), "{\"eos_token_id\": null}");
        Files.writeString(model.resolve("generation_config.json"), "{\"eos_token_id\": [1, 4]}");
        try (TextTokenizer tokenizer = TextTokenizer.load(folder, model)) {
            assertThat(tokenizer.eos()).isEqualTo(1);
            assertThat(tokenizer.pad()).isEqualTo(1);
        }
    }

    @Test
    void aPostProcessorThatEndsTextsIsKnown() throws IOException {
        ObjectNode json = tokenizerJson();
        json.set(
                "post_processor",
                JSON.readTree("{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
                        + "\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"<|eot_id|>\",\"type_id\":0}}],\"pair\":[],"
                        + "\"special_tokens\":{\"<|eot_id|>\":{\"id\":\"<|eot_id|>\",\"ids\":[4],\"tokens\":"
                        + "[\"<|eot_id|>\"]}}}"));
        write("tokenizer.json", json.toString());
        write("tokenizer_config.json", "{\"eos_token\": \"<|eot_id|>\"}");
        try (TextTokenizer tokenizer = TextTokenizer.load(folder, null)) {
            assertThat(tokenizer.addsEos()).isTrue();
        }
    }

    @Test
    void aTokenizerThatIsMissingOrMalformedIsRefusedWithItsPath() throws IOException {
        assertRefused(() -> load(folder), "tokenizer.json does not exist");
        write("tokenizer.json", "{\"model\": ");
        assertRefused(() -> load(folder), "is not JSON");
        write("tokenizer.json", "[1, 2]");
        assertRefused(() -> load(folder), "is no JSON object");
        write("tokenizer.json", "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"b c\"]}}");
        write("tokenizer_config.json", "{\"eos_token\": \"a\"}");
        assertRefused(() -> load(folder), "is refused by the tokenizers library");
        write("tokenizer.json", tokenizerJson().toString());
        write("tokenizer_config.json", "{\"eos_token\": \"<nowhere>\"}");
        assertRefused(() -> load(folder), "has no token \"<nowhere>\"");
        write("tokenizer_config.json", "{\"eos_token\": null}");
        assertRefused(() -> load(folder), "has no end-of-sequence token");
    }

    @Test
    void manyThreadsGetTheSameIds() {
        try (TextTokenizer tokenizer = TextTokenizer.load(Tokenizers.metaspace(), null)) {
            long[] expected = tokenizer.encode("The quick brown fox", true);
            assertThat(IntStream.range(0, 500).parallel().mapToObj(i -> tokenizer.encode("The quick brown fox", true)))
                    .allSatisfy(ids -> assertThat(ids).isEqualTo(expected));
        }
    }

    @Test
    void aClosedTokenizerIsNeverEntered() {
        TextTokenizer tokenizer = TextTokenizer.load(Tokenizers.metaspace(), null);
        tokenizer.close();
        assertThatThrownBy(() -> tokenizer.encode("x", true)).hasMessage("the tokenizer is closed");
    }

    private static void load(Path path) {
        TextTokenizer.load(path, null).close();
    }

    private static void assertRefused(ThrowingCallable load, String message) {
        assertThatThrownBy(load).isInstanceOfSatisfying(FaultException.class, e -> {
            assertThat(e.fault().code()).isEqualTo(FaultCode.TOKENIZER_INVALID);
            assertThat(e.fault().message()).contains("tokenizer.json").contains(message);
        });
    }

    private void write(String name, String contents) throws IOException {
        Files.writeString(folder.resolve(name), contents);
    }

    private static ObjectNode tokenizerJson() throws IOException {
        return (ObjectNode)
                JSON.readTree(Tokenizers.byteLevel().resolve("tokenizer.json").toFile());
    }

    private static JsonNode offsets(TokenSpans spans) {
        ArrayNode offsets = JSON.createArrayNode();
        for (int i = 0; i < spans.ids().length; i++) {
            offsets.add(JSON.createArrayNode().add(spans.starts()[i]).add(spans.ends()[i]));
        }
        return offsets;
    }

    private static long[] longs(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToLong(JsonNode::asLong)
                .toArray();
    }
}

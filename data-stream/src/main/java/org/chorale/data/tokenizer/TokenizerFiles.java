// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;

/**
 * What the files of a tokenizer say besides how to encode: the ids that there are, and which end and pad a sequence.
 *
 * @param vocabulary the file {@code tokenizer.json}
 * @param bytes its contents
 * @param json its contents as a tree
 * @param settings {@code tokenizer_config.json} beside it; empty where there is none
 * @param models the folders that may have a {@code config.json} or {@code generation_config.json}, in order
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record TokenizerFiles(Path vocabulary, byte[] bytes, JsonNode json, Optional<JsonNode> settings, List<Path> models) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Files beyond this are no tokenizer; the largest that are published have about 40 MB. */
    private static final long MAX_BYTES = 1L << 30;

    static TokenizerFiles read(Path tokenizer, @Nullable Path modelFolder) {
        Path vocabulary = Files.isDirectory(tokenizer) ? tokenizer.resolve("tokenizer.json") : tokenizer;
        if (!Files.isRegularFile(vocabulary)) {
            throw invalid(vocabulary, "does not exist; give a folder with tokenizer.json, or the file itself");
        }
        Path folder =
                Optional.ofNullable(vocabulary.toAbsolutePath().getParent()).orElse(vocabulary);
        List<Path> models = Stream.of(Optional.of(folder), Optional.ofNullable(modelFolder))
                .flatMap(Optional::stream)
                .distinct()
                .toList();
        byte[] bytes = bytes(vocabulary);
        return new TokenizerFiles(
                vocabulary,
                bytes,
                tree(vocabulary, bytes),
                optionalTree(folder.resolve("tokenizer_config.json")),
                models);
    }

    /** One more than the largest id that the vocabulary or an added token has. */
    long tokenIds() {
        JsonNode vocab = json.path("model").path("vocab");
        JsonNode added = json.path("added_tokens");
        long largest = Stream.concat(
                        vocab.isArray()
                                ? Stream.of(vocab.size() - 1L)
                                : elements(vocab).map(this::id),
                        elements(added).map(token -> id(token.path("id"))))
                .mapToLong(Long::longValue)
                .max()
                .orElse(-1);
        if (largest < 0) {
            throw invalid(vocabulary, "has no tokens; must have an object model.vocab");
        }
        return largest + 1;
    }

    /** The token that ends a sequence: the tokenizer's own {@code eos_token}, else the model's. */
    long eos() {
        return named("eos_token")
                .or(() -> models.stream()
                        .flatMap(folder -> Stream.of("config.json", "generation_config.json")
                                .map(folder::resolve))
                        .flatMap(file -> eosTokenId(file).stream())
                        .findFirst())
                .orElseThrow(() -> invalid(
                        vocabulary,
                        "has no end-of-sequence token; must have eos_token in the tokenizer_config.json beside it, or"
                                + " the model eos_token_id in its config.json"));
    }

    /** The token that fills a row up to its micro-batch's length. It is never trained, so that any will do. */
    long pad() {
        return named("pad_token").orElseGet(this::eos);
    }

    /** The id of a token that the settings name, as a text or as an object with {@code content}. */
    private Optional<Long> named(String key) {
        JsonNode setting = settings.map(node -> node.path(key)).orElseGet(() -> json.path("none"));
        JsonNode content = setting.isObject() ? setting.path("content") : setting;
        if (content.isMissingNode() || content.isNull()) {
            return Optional.empty();
        }
        OptionalLong id = idOf(content.asText());
        if (!content.isTextual() || id.isEmpty()) {
            throw invalid(vocabulary, "has no token " + content + ", which tokenizer_config.json names as its " + key);
        }
        return Optional.of(id.getAsLong());
    }

    private OptionalLong idOf(String token) {
        Optional<JsonNode> added = elements(json.path("added_tokens"))
                .filter(candidate -> candidate.path("content").asText().equals(token))
                .findFirst();
        if (added.isPresent()) {
            return OptionalLong.of(id(added.get().path("id")));
        }
        JsonNode vocab = json.path("model").path("vocab");
        if (vocab.isArray()) { // Unigram: a list of [token, score], the id is the place
            return IntStream.range(0, vocab.size())
                    .filter(id -> vocab.get(id).path(0).asText().equals(token))
                    .mapToLong(id -> id)
                    .findFirst();
        }
        return vocab.has(token) ? OptionalLong.of(id(vocab.path(token))) : OptionalLong.empty();
    }

    private Optional<Long> eosTokenId(Path file) {
        JsonNode eos = optionalTree(file).map(node -> node.path("eos_token_id")).orElseGet(() -> json.path("none"));
        JsonNode first = eos.isArray() ? eos.path(0) : eos;
        return first.isIntegralNumber() ? Optional.of(first.asLong()) : Optional.empty();
    }

    private Long id(JsonNode node) {
        if (!node.canConvertToInt() || !node.isIntegralNumber() || node.asInt() < 0) {
            throw invalid(vocabulary, "has a token with id " + node + "; must be a whole number from 0 to 2147483647");
        }
        return node.asLong();
    }

    private static Stream<JsonNode> elements(JsonNode node) {
        return StreamSupport.stream(node.spliterator(), false);
    }

    private static Optional<JsonNode> optionalTree(Path file) {
        return Files.isRegularFile(file) ? Optional.of(tree(file, bytes(file))) : Optional.empty();
    }

    private static byte[] bytes(Path file) {
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw invalid(file, "is larger than 1 GiB, which no tokenizer is");
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw invalid(file, "cannot be read: " + e);
        }
    }

    private static JsonNode tree(Path file, byte[] bytes) {
        try {
            JsonNode tree = JSON.readTree(bytes);
            if (!tree.isObject()) {
                throw invalid(file, "is no JSON object");
            }
            return tree;
        } catch (JsonProcessingException e) {
            throw invalid(file, "is not JSON: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new IllegalStateException("bytes in memory cannot fail to be read", e);
        }
    }

    static FaultException invalid(Path file, String problem) {
        return new FaultException(FaultCode.TOKENIZER_INVALID, file + " " + problem);
    }
}

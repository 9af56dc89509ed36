// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * An object on a line by itself, of which some fields are wanted and the others passed over. Lines are untrusted:
 * length, nesting, numbers and names are limited, and trees to lines that cannot fill the memory with their nodes.
 *
 * @param texts the fields that are texts, of whole characters
 * @param trees the fields that are anything else, null included
 * @param columns the names of all its columns, or as many as are worth telling
 * @param wanted what was looked for
 */
public record RowJson(Map<String, String> texts, Map<String, JsonNode> trees, List<String> columns, RowFields wanted) {
    /** Longest line that is read. */
    public static final int MAX_BYTES = 64 << 20;

    /** Longest line with a tree: a node takes up to fifty times what its text does. */
    static final int MAX_TREE_BYTES = 4 << 20;

    private static final int MAX_DEPTH = 100;

    /** Columns that are told where none of them is right. */
    private static final int MAX_TOLD = 20;

    /** A row may have more columns, but no field of ours is looked for beyond these. */
    private static final int MAX_COLUMNS = 1000;

    static final ObjectMapper JSON = new ObjectMapper(JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxDocumentLength(MAX_BYTES)
                    .maxStringLength(MAX_BYTES)
                    .maxNestingDepth(MAX_DEPTH)
                    .maxNameLength(50_000)
                    .maxNumberLength(1_000)
                    .build())
            .build());

    public RowJson {
        texts = Map.copyOf(texts);
        trees = Map.copyOf(trees);
        columns = List.copyOf(columns);
    }

    /** Reads a line, without its end. */
    public static RowJson parse(ByteBuffer line, Set<String> textNames, Set<String> treeNames)
            throws MalformedRowException {
        return parse(line, RowFields.of(textNames, treeNames));
    }

    /** As above; a field that may be a text or a tree is what it is in the row. */
    static RowJson parse(ByteBuffer line, RowFields wanted) throws MalformedRowException {
        int bytes = line.remaining();
        List<String> columns = new ArrayList<>();
        Map<String, String> texts = new HashMap<>();
        Map<String, JsonNode> trees = new HashMap<>();
        try (JsonParser parser = JSON.createParser(utf8(line))) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new MalformedRowException("the row is no JSON object; must be one object per line");
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (columns.size() < MAX_COLUMNS) {
                    columns.add(name);
                }
                String field = wanted.of(name);
                boolean tree = field != null && wanted.trees().contains(field);
                if (field != null && wanted.texts().contains(field) && (value == JsonToken.VALUE_STRING || !tree)) {
                    texts.put(field, text(name, value, parser));
                } else if (field != null && tree) {
                    trees.put(field, tree(name, bytes, parser));
                } else {
                    parser.skipChildren();
                }
            }
            if (parser.nextToken() != null) {
                throw new MalformedRowException("the row has something after its object; must be one object per line");
            }
        } catch (StreamConstraintsException e) {
            throw new MalformedRowException("the row is beyond the limits of a row: " + e.getOriginalMessage());
        } catch (JsonProcessingException e) {
            throw notJson(e);
        } catch (IOException e) {
            throw new IllegalStateException("a text in memory cannot fail to be read", e);
        }
        return new RowJson(texts, trees, columns, wanted);
    }

    /** The text of this name; null where there is none. */
    public @Nullable String text(String name) {
        return texts.get(name);
    }

    /** The text of a field that must be there. */
    String required(String field) throws MalformedRowException {
        String text = texts.get(field);
        if (text == null) {
            JsonNode tree = trees.get(field);
            throw tree == null ? missing(field) : noText(wanted.column(field), tree.asToken());
        }
        return text;
    }

    MalformedRowException missing(String field) {
        return new MalformedRowException("the row has no %s, it has %s".formatted(wanted.column(field), said()));
    }

    /** Whether the row has a column that is this field, wanted or not. */
    boolean has(String field) {
        return columns.stream().anyMatch(column -> field.equals(wanted.of(column)));
    }

    /** Its columns, for messages. */
    String said() {
        return columns.isEmpty()
                ? "no columns"
                : "the columns " + columns.stream().limit(MAX_TOLD).collect(Collectors.joining(", "));
    }

    /** The tree of this name; null where there is none. */
    public @Nullable JsonNode tree(String name) {
        return trees.get(name);
    }

    /** The JSON that a text is. */
    static JsonNode tree(String name, String text) throws MalformedRowException {
        if (text.length() > MAX_TREE_BYTES) {
            throw new MalformedRowException(
                    "field %s has %d characters of JSON; must have at most 4 Mi".formatted(name, text.length()));
        }
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw new MalformedRowException(
                    "field %s is a text that is no JSON: %s".formatted(name, withoutAdvice(e.getOriginalMessage())));
        }
    }

    /** What a value is, in words. */
    static String kind(JsonNode node) {
        return kind(node.asToken());
    }

    private static String text(String name, JsonToken value, JsonParser parser)
            throws IOException, MalformedRowException {
        if (value != JsonToken.VALUE_STRING) {
            boolean binary = value == JsonToken.START_OBJECT && "binary".equals(parser.nextFieldName());
            throw binary
                    ? new MalformedRowException("field %s is binary data; must be a text in quotes".formatted(name))
                    : noText(name, value);
        }
        String text = parser.getText();
        int lone = unpairedSurrogate(text);
        if (lone >= 0) {
            throw new MalformedRowException("field %s has an unpaired surrogate \\u%04x; must be whole characters"
                    .formatted(name, (int) text.charAt(lone)));
        }
        return text;
    }

    private static MalformedRowException noText(String name, JsonToken value) {
        String advice = value == JsonToken.START_ARRAY ? " (a conversation is given whole, as messages)" : "";
        return new MalformedRowException(
                "field %s is %s; must be a text in quotes%s".formatted(name, kind(value), advice));
    }

    private static JsonNode tree(String name, int bytes, JsonParser parser) throws IOException, MalformedRowException {
        if (bytes > MAX_TREE_BYTES && parser.currentToken().isStructStart()) {
            throw new MalformedRowException(
                    "the row has %s and %d bytes; such a row must have at most 4 MiB".formatted(name, bytes));
        }
        return parser.readValueAsTree();
    }

    /** JSON can escape half of a surrogate pair, which is no character and which no tokenizer takes; -1: there is none. */
    public static int unpairedSurrogate(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isHighSurrogate(text.charAt(i))
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(text.charAt(i))) {
                return i;
            }
        }
        return -1;
    }

    private static String utf8(ByteBuffer line) throws MalformedRowException {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(line).toString(); // a new decoder reports what is wrong
        } catch (CharacterCodingException e) {
            throw new MalformedRowException("the row is not valid UTF-8; must be saved as UTF-8");
        }
    }

    private static MalformedRowException notJson(JsonProcessingException e) {
        if (e.getOriginalMessage().startsWith("Unexpected end-of-input")) {
            return new MalformedRowException("the row ends before its JSON does; the file may have been cut off");
        }
        return new MalformedRowException("the row is not JSON: %s (column %d)"
                .formatted(
                        withoutAdvice(e.getOriginalMessage()), e.getLocation().getColumnNr()));
    }

    /** The parser advises to switch on what it refused, which a user of ours cannot. */
    private static String withoutAdvice(String message) {
        return message.replaceAll(": enable `.*", "").replaceAll("\\(enable .*\\)", "");
    }

    private static String kind(JsonToken token) {
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case VALUE_STRING -> "a text";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
            default -> token.name().replace("VALUE_", "").toLowerCase(Locale.ROOT);
        };
    }
}

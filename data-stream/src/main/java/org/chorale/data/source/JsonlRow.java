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
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Reads a row of a {@code .jsonl} file: an object with {@code text}, or with {@code prompt} and {@code completion};
 * further fields are passed over. Rows are untrusted: nesting, numbers, names and length are limited.
 */
final class JsonlRow {
    /** Longest row that is read. */
    static final int MAX_BYTES = 64 << 20;

    private static final int MAX_DEPTH = 100;
    private static final Set<String> FIELDS = Set.of("text", "prompt", "completion");
    private static final String RIGHT = "must be {\"text\": …} or {\"prompt\": …, \"completion\": …}";

    private static final JsonFactory JSON = JsonFactory.builder()
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
            .build();

    private JsonlRow() {}

    /** The example in a row, without its line end. */
    static Example parse(ByteBuffer row) throws MalformedRowException {
        String json = utf8(row);
        Map<String, String> fields = new HashMap<>();
        try (JsonParser parser = JSON.createParser(json)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new MalformedRowException("the row is no JSON object; " + RIGHT);
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                readField(parser, fields);
            }
            if (parser.nextToken() != null) {
                throw new MalformedRowException("the row has something after its object; must be one object per line");
            }
        } catch (StreamConstraintsException e) {
            throw new MalformedRowException("the row is beyond the limits of a row: " + e.getOriginalMessage());
        } catch (JsonProcessingException e) {
            if (e.getOriginalMessage().startsWith("Unexpected end-of-input")) {
                throw new MalformedRowException("the row ends before its JSON does; the file may have been cut off");
            }
            throw new MalformedRowException("the row is not JSON: %s (column %d)"
                    .formatted(
                            withoutAdvice(e.getOriginalMessage()),
                            e.getLocation().getColumnNr()));
        } catch (IOException e) {
            throw new IllegalStateException("a text in memory cannot fail to be read", e);
        }
        return example(fields);
    }

    private static void readField(JsonParser parser, Map<String, String> fields)
            throws IOException, MalformedRowException {
        String name = parser.currentName();
        JsonToken value = parser.nextToken();
        if (value == JsonToken.VALUE_STRING && FIELDS.contains(name)) {
            fields.put(name, whole(name, parser.getText()));
        } else if (FIELDS.contains(name)) {
            throw new MalformedRowException("field %s is %s; must be a text in quotes".formatted(name, kind(value)));
        } else {
            parser.skipChildren();
        }
    }

    private static Example example(Map<String, String> fields) throws MalformedRowException {
        String text = fields.get("text");
        String prompt = fields.get("prompt");
        String completion = fields.get("completion");
        if (text != null && prompt == null && completion == null) {
            if (text.isEmpty()) {
                throw new MalformedRowException("field text is empty; must hold something to train on");
            }
            return new Example.Text(text, true);
        } else if (text == null && prompt != null && completion != null) {
            if (prompt.isEmpty() && completion.isEmpty()) {
                throw new MalformedRowException("fields prompt and completion are empty; one must hold something");
            }
            return new Example.Pair(prompt, completion);
        } else if (text != null) {
            throw new MalformedRowException("the row has text and prompt or completion; " + RIGHT);
        } else if (prompt != null) {
            throw new MalformedRowException("the row has prompt but no completion; " + RIGHT);
        } else if (completion != null) {
            throw new MalformedRowException("the row has completion but no prompt; " + RIGHT);
        }
        throw new MalformedRowException("the row has neither text nor prompt and completion; " + RIGHT);
    }

    private static String utf8(ByteBuffer row) throws MalformedRowException {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(row).toString(); // a new decoder reports what is wrong
        } catch (CharacterCodingException e) {
            throw new MalformedRowException("the row is not valid UTF-8; must be saved as UTF-8");
        }
    }

    /** JSON can escape half of a surrogate pair, which is no character and which no tokenizer takes. */
    private static String whole(String name, String value) throws MalformedRowException {
        for (int i = 0; i < value.length(); i++) {
            if (Character.isHighSurrogate(value.charAt(i))
                    && i + 1 < value.length()
                    && Character.isLowSurrogate(value.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(value.charAt(i))) {
                throw new MalformedRowException("field %s has an unpaired surrogate \\u%04x; must be whole characters"
                        .formatted(name, (int) value.charAt(i)));
            }
        }
        return value;
    }

    /** The parser advises to switch on what it refused, which a user of ours cannot. */
    private static String withoutAdvice(String message) {
        return message.replaceAll(": enable `.*", "").replaceAll("\\(enable .*\\)", "");
    }

    private static String kind(JsonToken token) {
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
            default -> token.name().replace("VALUE_", "").toLowerCase(Locale.ROOT);
        };
    }
}

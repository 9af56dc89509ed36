// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Reads JSON that nobody vouches for, value by value as the caller expects it: strict UTF-8, every name once, and an
 * {@link InvalidFileException} at the first surprise. Jackson's limits hold besides: 50,000 characters for a name, 20
 * million for a string, 1,000 for a number.
 */
final class StrictJson {
    // Names come from strangers: they are neither interned nor kept in a table that outlives the file.
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .build();

    private final Path file;
    private final String what;
    private final JsonParser parser;
    private final char first;
    private @Nullable String tensor;

    /** @param what the document in messages, such as "the header" */
    StrictJson(Path file, String what, byte[] utf8) {
        this.file = file;
        this.what = what;
        try {
            CharBuffer text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8));
            first = text.hasRemaining() ? text.get(0) : ' ';
            parser = FACTORY.createParser(text.array(), text.arrayOffset(), text.remaining());
        } catch (CharacterCodingException e) {
            throw problem(what + " is not UTF-8");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The document's first character; a blank where it has none. */
    char first() {
        return first;
    }

    /** From now on messages are about this tensor; about the file where it is null. */
    void about(@Nullable String tensor) {
        this.tensor = tensor;
    }

    InvalidFileException problem(String problem) {
        return tensor == null
                ? new InvalidFileException(file, problem)
                : new InvalidFileException(file, tensor, problem);
    }

    /** Reads an object; {@code field} is called with each name and must read its value. */
    void object(String which, Consumer<String> field) {
        expect(JsonToken.START_OBJECT, which, "a JSON object");
        Set<String> names = new HashSet<>();
        while (next() == JsonToken.FIELD_NAME) {
            String name = unicode(which, text());
            if (!names.add(name)) {
                throw problem("%s has %s twice; every name may stand once"
                        .formatted(which, InvalidFileException.printable(name)));
            }
            field.accept(name);
        }
    }

    /** Reads an object whose values are strings. */
    Map<String, String> strings(String which) {
        Map<String, String> strings = new LinkedHashMap<>();
        object(which, name -> strings.put(name, string(which + "." + InvalidFileException.printable(name))));
        return strings;
    }

    String string(String which) {
        expect(JsonToken.VALUE_STRING, which, "a string");
        return unicode(which, text());
    }

    /** Reads an array of at most {@code limit} whole numbers from 0 to {@link Long#MAX_VALUE}. */
    List<Long> wholeNumbers(String which, int limit) {
        expect(JsonToken.START_ARRAY, which, "an array of whole numbers");
        List<Long> numbers = new ArrayList<>();
        while (next() != JsonToken.END_ARRAY) {
            if (numbers.size() == limit) {
                throw problem("%s has more than %d numbers".formatted(which, limit));
            }
            numbers.add(wholeNumber(which));
        }
        return numbers;
    }

    /** Passes over a value of any kind. */
    void skip() {
        next();
        try {
            parser.skipChildren();
        } catch (IOException e) {
            throw notJson(e);
        }
    }

    /** Nothing but white space may follow. */
    void end() {
        if (next() != null) {
            throw problem(what + " goes on after its JSON object");
        }
    }

    private long wholeNumber(String which) {
        String number = InvalidFileException.printable(text());
        if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT || number.startsWith("-")) {
            throw problem("%s holds %s; only whole numbers from 0 may stand there".formatted(which, number));
        }
        try {
            return Long.parseLong(number);
        } catch (NumberFormatException e) {
            throw problem(
                    "%s holds %s, which overflows: at most %d is allowed".formatted(which, number, Long.MAX_VALUE));
        }
    }

    private String unicode(String which, String text) {
        if (text.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
            throw problem(which + " holds half of a surrogate pair, which is not Unicode text");
        }
        return text;
    }

    private void expect(JsonToken expected, String which, String kind) {
        if (next() != expected) {
            throw problem("%s must be %s, not %s".formatted(which, kind, InvalidFileException.printable(text())));
        }
    }

    private @Nullable JsonToken next() {
        try {
            return parser.nextToken();
        } catch (IOException e) {
            throw notJson(e);
        }
    }

    private String text() {
        try {
            String text = parser.getText();
            return text == null ? "nothing" : text;
        } catch (IOException e) {
            throw notJson(e);
        }
    }

    private InvalidFileException notJson(IOException e) {
        String reason = e instanceof JsonProcessingException json ? json.getOriginalMessage() : e.getMessage();
        return problem("%s is not JSON: %s".formatted(what, InvalidFileException.printable(String.valueOf(reason))));
    }
}

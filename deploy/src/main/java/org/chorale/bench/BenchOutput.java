// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a {@link BenchCommand} has printed. */
record BenchOutput(int exitCode, List<String> lines) {
    private static final JsonMapper MAPPER = new JsonMapper();

    BenchOutput {
        lines = List.copyOf(lines);
    }

    /**
     * A number of the last line of JSON.
     *
     * @throws IllegalStateException where there is none
     */
    double number(String key) {
        JsonNode value = json().path(key);
        if (!value.isNumber()) {
            throw new IllegalStateException(key + " is no number in the line of JSON that was printed");
        }
        return value.asDouble();
    }

    private JsonNode json() {
        String last = lines.stream()
                .filter(line -> line.startsWith("{"))
                .reduce((first, second) -> second)
                .orElseThrow(() -> new IllegalStateException("no line of JSON was printed"));
        try {
            return MAPPER.readTree(last);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("what was printed is no JSON: " + e.getOriginalMessage(), e);
        }
    }

    /**
     * The number that a pattern's first group finds in the first line with it.
     *
     * @throws IllegalStateException where no line has it
     */
    double number(Pattern pattern) {
        return lines.stream()
                .map(pattern::matcher)
                .filter(Matcher::find)
                .mapToDouble(found -> Double.parseDouble(found.group(1)))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no line was printed that has " + pattern));
    }

    /** Lines with the pattern. */
    long count(Pattern pattern) {
        return lines.stream().filter(pattern.asPredicate()).count();
    }
}

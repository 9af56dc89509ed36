// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * The fields of rows whose numbers make examples, in the place of texts: {@code data.numbers} of the configuration.
 *
 * @param widths how many numbers each field has, by its name and in the order of names; empty where rows are texts
 */
public record NumberFields(Map<String, Integer> widths) {
    /** Rows are texts, or token ids. */
    public static final NumberFields NONE = new NumberFields(Map.of());

    private static final String KEY = "data.numbers";
    private static final int MAX_NUMBERS = 1 << 20;

    /** Preprocessors and contracts call tensors by these names. */
    private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

    public NumberFields {
        widths = Collections.unmodifiableMap(new TreeMap<>(widths));
    }

    /** What is wrong with a configuration, a line each. */
    public static List<String> problems(Map<String, Integer> widths) {
        List<String> problems = new ArrayList<>();
        widths.forEach((name, width) -> {
            if (!NAME.matcher(name).matches()) {
                problems.add("%s.\"%s\": the name must be of letters, digits and underscores, and begin with no digit"
                        .formatted(KEY, name));
            }
            if (width < 1 || width > MAX_NUMBERS) {
                problems.add("%s.%s = %d: must be 1 to %d".formatted(KEY, name, width, MAX_NUMBERS));
            }
        });
        return problems;
    }

    /** Whether rows are numbers. */
    public boolean areUsed() {
        return !widths.isEmpty();
    }

    /** Numbers in a row. */
    public long count() {
        return widths.values().stream().mapToLong(Integer::longValue).sum();
    }

    /**
     * The example in a row, without its line end: of each field a number, or a list of as many as it has. Further fields
     * are passed over.
     *
     * @throws MalformedRowException with everything that is wrong with the row
     */
    Example.Numbers parse(ByteBuffer row) throws MalformedRowException {
        RowJson json = RowJson.parse(row.duplicate(), RowFields.of(Set.of(), widths.keySet()));
        List<String> problems = new ArrayList<>();
        float[] values = new float[(int) count()];
        int at = 0;
        for (Map.Entry<String, Integer> field : widths.entrySet()) {
            read(field.getKey(), field.getValue(), json, values, at, problems);
            at += field.getValue();
        }
        if (!problems.isEmpty()) {
            throw new MalformedRowException(String.join("; ", problems));
        }
        return new Example.Numbers(values);
    }

    /** For people: {@code point = [0.25, -0.5]}. */
    public String named(float[] values) {
        List<String> fields = new ArrayList<>();
        int at = 0;
        for (Map.Entry<String, Integer> field : widths.entrySet()) {
            int end = at + field.getValue();
            fields.add(field.getKey() + " = " + Arrays.toString(Arrays.copyOfRange(values, at, end)));
            at = end;
        }
        return String.join("\n", fields);
    }

    private static void read(String name, int width, RowJson json, float[] values, int at, List<String> problems) {
        String right = width == 1 ? "must be a number" : "must be a list of %d numbers".formatted(width);
        JsonNode field = json.tree(name);
        if (field == null) {
            problems.add("the row has no field %s; %s".formatted(name, right));
            return;
        }
        List<JsonNode> elements = new ArrayList<>();
        if (field.isArray()) {
            field.forEach(elements::add);
        } else {
            elements.add(field);
        }
        if (elements.size() != width || (width > 1 && !field.isArray())) {
            String found = field.isArray() ? "a list of " + elements.size() : RowJson.kind(field);
            problems.add("field %s is %s; %s".formatted(name, found, right));
            return;
        }
        for (int i = 0; i < width; i++) {
            JsonNode element = elements.get(i);
            values[at + i] = element.floatValue();
            if (!element.isNumber() || !Float.isFinite(values[at + i])) {
                problems.add("element %d of %s is %s; must be a number that fp32 can hold"
                        .formatted(i, name, element.isNumber() ? element.asText() : RowJson.kind(element)));
                return;
            }
        }
    }
}

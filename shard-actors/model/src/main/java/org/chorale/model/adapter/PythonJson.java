// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.Iterator;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes JSON as Python's {@code json.dumps(value, indent=2, sort_keys=True)} does, so that a file that PEFT and we write
 * is the same.
 */
final class PythonJson {
    private static final String INDENT = "  ";

    /** Python writes floats without an exponent from 1e-4 to below 1e16. */
    private static final double SMALLEST_PLAIN = 1e-4;

    private static final double LARGEST_PLAIN = 1e16;

    private final StringBuilder out = new StringBuilder();

    private PythonJson() {}

    static String write(JsonNode value) {
        PythonJson writer = new PythonJson();
        writer.value(value, "\n");
        return writer.out.toString();
    }

    private void value(JsonNode value, String newLine) {
        if (value instanceof ObjectNode object) {
            object(object, newLine);
        } else if (value.isArray()) {
            array(value, newLine);
        } else if (value.isTextual()) {
            text(value.textValue());
        } else if (value.isFloatingPointNumber()) {
            out.append(number(value.doubleValue()));
        } else {
            out.append(value.asText()); // null, true, false and integers
        }
    }

    private void object(ObjectNode object, String newLine) {
        Map<String, JsonNode> sorted = new TreeMap<>();
        object.properties().forEach(property -> sorted.put(property.getKey(), property.getValue()));
        out.append('{');
        String separator = "";
        for (Map.Entry<String, JsonNode> property : sorted.entrySet()) {
            out.append(separator).append(newLine).append(INDENT);
            text(property.getKey());
            out.append(": ");
            value(property.getValue(), newLine + INDENT);
            separator = ",";
        }
        out.append(sorted.isEmpty() ? "" : newLine).append('}');
    }

    private void array(JsonNode array, String newLine) {
        out.append('[');
        Iterator<JsonNode> elements = array.elements();
        while (elements.hasNext()) {
            out.append(newLine).append(INDENT);
            value(elements.next(), newLine + INDENT);
            out.append(elements.hasNext() ? "," : "");
        }
        out.append(array.isEmpty() ? "" : newLine).append(']');
    }

    private void text(String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> out.append(c < ' ' || c > '~' ? "\\u%04x".formatted((int) c) : String.valueOf(c));
            }
        }
        out.append('"');
    }

    /** The shortest digits that give the number back, laid out as Python's repr. */
    private static String number(double number) {
        double magnitude = Math.abs(number);
        BigDecimal exact = new BigDecimal(Double.toString(number)).stripTrailingZeros();
        if (magnitude == 0 || (magnitude >= SMALLEST_PLAIN && magnitude < LARGEST_PLAIN)) {
            return exact.scale() <= 0 ? exact.toBigInteger() + ".0" : exact.toPlainString();
        }
        int exponent = exact.precision() - exact.scale() - 1;
        String digits = exact.unscaledValue().abs().toString();
        String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
        return "%s%s%se%s%02d"
                .formatted(
                        number < 0 ? "-" : "",
                        digits.charAt(0),
                        fraction,
                        exponent < 0 ? "-" : "+",
                        Math.abs(exponent));
    }
}

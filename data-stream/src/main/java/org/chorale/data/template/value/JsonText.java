// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** Writes values as Python's {@code json.dumps} does. */
public final class JsonText {
    private final boolean ascii;
    private final @Nullable String indent;
    private final String itemSeparator;
    private final String keySeparator;
    private final boolean sortKeys;
    private final Budget budget;
    private final TextBuilder out;

    /**
     * @param ascii whether characters beyond ASCII are escaped
     * @param indent what a level is indented by; null for one line
     */
    public JsonText(
            boolean ascii,
            @Nullable String indent,
            String itemSeparator,
            String keySeparator,
            boolean sortKeys,
            Budget budget) {
        this.ascii = ascii;
        this.indent = indent;
        this.itemSeparator = itemSeparator;
        this.keySeparator = keySeparator;
        this.sortKeys = sortKeys;
        this.budget = budget;
        this.out = new TextBuilder(budget);
    }

    public String dumps(Value value) {
        write(value, 1);
        return out.toString();
    }

    private void write(Value value, int level) {
        budget.step();
        if (value instanceof StrValue text) {
            writeText(text.text());
        } else if (value instanceof DictValue dict) {
            writeDict(dict, level);
        } else if (value instanceof ListValue || value instanceof TupleValue) {
            writeList(value.iterator(), level);
        } else {
            String scalar = scalar(value);
            if (scalar == null) {
                throw TemplateException.operation("Object of type " + value.typeName() + " is not JSON serializable");
            }
            out.append(scalar);
        }
    }

    /** A number, a truth value or None; null for anything else. */
    private static @Nullable String scalar(Value value) {
        if (value == NoneValue.NONE) {
            return "null";
        } else if (value instanceof BoolValue truth) {
            return truth.isTrue() ? "true" : "false";
        } else if (value instanceof IntValue number) {
            return number.digits();
        } else if (value instanceof FloatValue number) {
            return Double.isNaN(number.value())
                    ? "NaN"
                    : Double.isInfinite(number.value())
                            ? (number.value() > 0 ? "Infinity" : "-Infinity")
                            : FloatText.repr(number.value());
        }
        return null;
    }

    private void writeList(Iterator<Value> elements, int level) {
        if (!elements.hasNext()) {
            out.append("[]");
            return;
        }
        budget.enter();
        out.append('[');
        for (String separator = ""; elements.hasNext(); separator = itemSeparator) {
            out.append(separator);
            newLine(level);
            write(elements.next(), level + 1);
        }
        newLine(level - 1);
        out.append(']');
        budget.leave();
    }

    private void writeDict(DictValue dict, int level) {
        if (!dict.isTrue()) {
            out.append("{}");
            return;
        }
        budget.enter();
        out.append('{');
        String separator = "";
        for (TupleValue item : items(dict)) {
            out.append(separator);
            newLine(level);
            writeText(key(item.elements().get(0)));
            out.append(keySeparator);
            write(item.elements().get(1), level + 1);
            separator = itemSeparator;
        }
        newLine(level - 1);
        out.append('}');
        budget.leave();
    }

    private List<TupleValue> items(DictValue dict) {
        budget.makeElements(dict.length());
        List<TupleValue> items = new ArrayList<>();
        dict.items().forEachRemaining(item -> items.add((TupleValue) item));
        if (sortKeys) {
            var ordering = Comparison.ordering(budget);
            items.sort(
                    (a, b) -> ordering.compare(a.elements().get(0), b.elements().get(0)));
        }
        return items;
    }

    private static String key(Value key) {
        String text = key instanceof StrValue named ? named.text() : scalar(key);
        if (text == null) {
            throw TemplateException.operation("keys must be str, int, float, bool or None, not " + key.typeName());
        }
        return text;
    }

    private void newLine(int level) {
        if (indent != null) {
            out.append('\n').repeat(indent, level);
        }
    }

    private void writeText(String text) {
        out.append('"');
        int copied = 0;
        for (int i = 0; i < text.length(); i++) {
            String escape = escape(text.charAt(i));
            if (escape != null) {
                out.append(text, copied, i).append(escape);
                copied = i + 1;
            }
        }
        out.append(text, copied, text.length()).append('"');
    }

    private @Nullable String escape(char c) {
        return switch (c) {
            case '"' -> "\\\"";
            case '\\' -> "\\\\";
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            case '\f' -> "\\f";
            case '\b' -> "\\b";
            default -> c < ' ' || (ascii && c > '~') ? "\\u%04x".formatted((int) c) : null;
        };
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Blanks;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.DictView;
import org.chorale.data.template.value.JsonText;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.Markup;
import org.chorale.data.template.value.NoneValue;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;

/** Filters that write values in another notation: JSON, HTML, addresses. */
final class WritingFilters {
    private static final String HEX = "0123456789ABCDEF";

    private static final String COMMENT = "<!--";
    private static final String COMMENT_END = "-->";

    private WritingFilters() {}

    static Map<String, Filter> all() {
        Map<String, Filter> all = new HashMap<>();
        all.put(
                "tojson",
                Filter.of("tojson", WritingFilters::toJson, "ensure_ascii?", "indent?", "separators?", "sort_keys?"));
        Filter escape = Filter.of("escape", (value, arguments, budget) -> Markup.of(value, budget));
        all.put("e", escape);
        all.put("escape", escape);
        all.put(
                "forceescape",
                Filter.of(
                        "forceescape",
                        (value, arguments, budget) -> StrValue.markup(Markup.escape(value.text(budget), budget))));
        all.put("safe", Filter.of("safe", (value, arguments, budget) -> StrValue.markup(value.text(budget))));
        all.put("striptags", Filter.of("striptags", WritingFilters::stripTags));
        all.put("urlencode", Filter.of("urlencode", WritingFilters::urlEncode));
        all.put("xmlattr", Filter.of("xmlattr", WritingFilters::xmlAttributes, "autospace?"));
        return all;
    }

    /** {@code json.dumps} with the defaults that Transformers sets. */
    private static Value toJson(Value value, Bound arguments, Budget budget) {
        String indent = arguments.isSet(1) ? indent(arguments.get(1), budget) : null;
        String item = indent == null ? ", " : ",";
        String key = ": ";
        if (arguments.isSet(2)) {
            List<Value> separators = separators(arguments.get(2));
            item = separators.get(0).text(budget);
            key = separators.get(1).text(budget);
        }
        boolean ascii = arguments.has(0) && arguments.isTrue(0);
        boolean sorted = arguments.has(3) && arguments.isTrue(3);
        return StrValue.of(new JsonText(ascii, indent, item, key, sorted, budget).dumps(value));
    }

    private static String indent(Value indent, Budget budget) {
        return indent instanceof StrValue text
                ? text.text()
                : new TextBuilder(budget).repeat(" ", Bound.integer(indent)).toString();
    }

    private static List<Value> separators(Value value) {
        List<Value> separators = value instanceof TupleValue tuple
                ? tuple.elements()
                : value instanceof ListValue list ? list.elements() : List.of();
        if (separators.size() != 2 || !separators.stream().allMatch(StrValue.class::isInstance)) {
            throw TemplateException.operation("separators must be two texts, such as (',', ':')");
        }
        return separators;
    }

    private static Value stripTags(Value value, Bound arguments, Budget budget) {
        String text = withoutTags(withoutComments(value.text(budget), budget), budget);
        String words = String.join(" ", new TextSplit(text, Integer.MAX_VALUE, budget).atBlanks());
        return StrValue.of(unescape(words, budget));
    }

    /** A text without comments, those that only come to be when another is gone included. */
    private static String withoutComments(String given, Budget budget) {
        String text = given;
        int start = text.indexOf(COMMENT);
        while (start >= 0 && text.indexOf(COMMENT_END, start) >= 0) {
            budget.makeChars(text.length());
            text = text.substring(0, start) + text.substring(text.indexOf(COMMENT_END, start) + COMMENT_END.length());
            start = text.indexOf(COMMENT, Math.max(0, start - COMMENT.length()));
        }
        return text;
    }

    private static String withoutTags(String text, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        int copied = 0;
        for (int open = text.indexOf('<'); open >= 0; open = text.indexOf('<', copied)) {
            int close = text.indexOf('>', open);
            if (close < 0) {
                break;
            }
            out.append(text, copied, open);
            copied = close + 1;
        }
        return out.append(text, copied, text.length()).toString();
    }

    private static String unescape(String text, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        for (int at = 0; at < text.length(); ) {
            int end = text.charAt(at) == '&' ? endOfEntity(text, at + 1) : -1;
            if (end < 0) {
                out.append(text.charAt(at++));
            } else {
                out.append(entity(text.substring(at + 1, end)));
                at = end + 1;
            }
        }
        return out.toString();
    }

    private static int endOfEntity(String text, int from) {
        int end = from;
        while (end < text.length() && end - from < 32 && (text.charAt(end) == '#' || isPlain(text.charAt(end)))) {
            end++;
        }
        return end > from && end < text.length() && text.charAt(end) == ';' ? end : -1;
    }

    private static boolean isPlain(char c) {
        return c < 0x80 && Character.isLetterOrDigit(c);
    }

    private static String entity(String name) {
        return switch (name) {
            case "amp" -> "&";
            case "lt" -> "<";
            case "gt" -> ">";
            case "quot" -> "\"";
            case "apos" -> "'";
            case "nbsp" -> "\u00a0";
            default -> numbered(name);
        };
    }

    private static String numbered(String name) {
        try {
            boolean isHex = name.startsWith("#x") || name.startsWith("#X");
            int c = name.startsWith("#") ? Integer.parseInt(name.substring(isHex ? 2 : 1), isHex ? 16 : 10) : -1;
            if (Character.isValidCodePoint(c)) {
                return Character.toString(c);
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw TemplateException.operation("striptags does not know the entity &" + name + ";");
    }

    private static Value urlEncode(Value value, Bound arguments, Budget budget) {
        if (value instanceof StrValue || !value.isIterable()) {
            return StrValue.of(quoted(value.text(budget), false, budget));
        }
        TextBuilder out = new TextBuilder(budget);
        Value pairs = value instanceof DictValue dict ? new DictView(dict, DictView.Part.ITEMS) : value;
        for (Iterator<Value> items = pairs.iterator(); items.hasNext(); ) {
            List<Value> pair = MappingFilters.pair(items.next());
            out.append(out.length() == 0 ? "" : "&")
                    .append(quoted(pair.get(0).text(budget), true, budget))
                    .append("=")
                    .append(quoted(pair.get(1).text(budget), true, budget));
        }
        return StrValue.of(out.toString());
    }

    private static String quoted(String text, boolean inQuery, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            if (isPlain(c) || "_.-~".indexOf(c) >= 0 || (c == '/' && !inQuery)) {
                out.append(c);
            } else if (c == ' ' && inQuery) {
                out.append('+');
            } else {
                out.append('%').append(HEX.charAt(c >> 4)).append(HEX.charAt(c & 15));
            }
        }
        return out.toString();
    }

    private static Value xmlAttributes(Value value, Bound arguments, Budget budget) {
        if (!(value instanceof DictValue dict)) {
            throw TemplateException.operation("'" + value.typeName() + "' object has no attribute 'items'");
        }
        TextBuilder out = new TextBuilder(budget);
        boolean spaced = !arguments.has(0) || arguments.isTrue(0);
        for (Iterator<Value> items = dict.items(); items.hasNext(); ) {
            List<Value> pair = ((TupleValue) items.next()).elements();
            if (pair.get(1) != NoneValue.NONE && !(pair.get(1) instanceof UndefinedValue)) {
                out.append(spaced || out.length() > 0 ? " " : "")
                        .append(Markup.escape(attributeName(pair.get(0)), budget))
                        .append("=\"")
                        .append(Markup.of(pair.get(1), budget).text())
                        .append("\"");
            }
        }
        return StrValue.of(out.toString());
    }

    private static String attributeName(Value key) {
        String name = TextFilters.required(key, "xmlattr").text();
        boolean valid = name.chars().noneMatch(c -> (c < 0x80 && Blanks.isBlank(c)) || "/>=".indexOf(c) >= 0);
        if (!valid) {
            throw TemplateException.operation("Invalid character in attribute name: '" + name + "'");
        }
        return name;
    }
}

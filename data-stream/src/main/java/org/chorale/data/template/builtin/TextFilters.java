// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.Blanks;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.Operators;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.UndefinedValue;
import org.chorale.data.template.value.Value;

/** Filters that make a text of a text. What is no text yet is written as one first, where Jinja2 does so. */
final class TextFilters {
    private static final int TRUNCATE_LEEWAY = 5;

    private TextFilters() {}

    static Map<String, Filter> all() {
        Map<String, Filter> all = new HashMap<>();
        for (String method : List.of("upper", "lower", "capitalize")) {
            all.put(
                    method,
                    Filter.of(
                            method,
                            (value, arguments, budget) ->
                                    StringMethods.call(soft(value, budget), method, Arguments.NONE, budget)));
        }
        all.put("title", Filter.of("title", TextFilters::title));
        all.put("trim", Filter.of("trim", TextFilters::trim, "chars?"));
        all.put("center", Filter.of("center", TextFilters::center, "width?"));
        all.put("replace", Filter.of("replace", TextFilters::replace, "old", "new", "count?"));
        all.put("indent", Filter.of("indent", TextFilters::indent, "width?", "first?", "blank?"));
        all.put("truncate", Filter.of("truncate", TextFilters::truncate, "length?", "killwords?", "end?", "leeway?"));
        all.put(
                "wordwrap",
                Filter.of(
                        "wordwrap",
                        TextFilters::wordWrap,
                        "width?",
                        "break_long_words?",
                        "wrapstring?",
                        "break_on_hyphens?"));
        all.put("wordcount", Filter.of("wordcount", TextFilters::wordCount));
        all.put("string", Filter.of("string", (value, arguments, budget) -> soft(value, budget)));
        all.put("format", TextFilters::format);
        return all;
    }

    /** The value if it is a text; else the text that it is written as. */
    static StrValue soft(Value value, Budget budget) {
        return value instanceof StrValue text ? text : StrValue.of(value.text(budget));
    }

    /** A value that must be a text. */
    static StrValue required(Value value, String filter) {
        requireDefined(value);
        if (value instanceof StrValue text) {
            return text;
        }
        throw TemplateException.operation("the filter " + filter + " needs a str, not " + value.typeName());
    }

    private static void requireDefined(Value value) {
        if (value instanceof UndefinedValue missing) {
            throw missing.failure();
        }
    }

    private static Value trim(Value value, Bound arguments, Budget budget) {
        return StringMethods.call(soft(value, budget), "strip", Arguments.of(arguments.get(0)), budget);
    }

    private static Value center(Value value, Bound arguments, Budget budget) {
        Arguments width = Arguments.of(arguments.orElse(0, IntValue.of(80)));
        return StringMethods.call(soft(value, budget), "center", width, budget);
    }

    private static Value replace(Value value, Bound arguments, Budget budget) {
        return StrValue.of(StringMethods.replace(
                value.text(budget),
                arguments.text(0, "", budget),
                arguments.text(1, "", budget),
                arguments.isSet(2) ? arguments.integer(2, -1) : -1,
                budget));
    }

    /** Unlike the method of this name, words begin after blanks, hyphens and opening brackets only. */
    private static Value title(Value value, Bound arguments, Budget budget) {
        String text = value.text(budget);
        StringBuilder out = new StringBuilder(text.length());
        budget.makeChars(text.length());
        for (int at = 0; at < text.length(); ) {
            int end = at;
            while (end < text.length() && !isBetweenWords(text.charAt(end))) {
                end++;
            }
            if (end > at) {
                int first = text.offsetByCodePoints(at, 1);
                out.append(TextCase.upper(text.substring(at, first)))
                        .append(TextCase.lower(text.substring(first, end)));
            }
            for (; end < text.length() && isBetweenWords(text.charAt(end)); end++) {
                out.append(text.charAt(end));
            }
            at = end;
        }
        return StrValue.of(out.toString());
    }

    private static boolean isBetweenWords(char c) {
        return Blanks.isBlank(c) || "-({[<".indexOf(c) >= 0;
    }

    private static Value indent(Value value, Bound arguments, Budget budget) {
        StrValue text = required(value, "indent");
        Value width = arguments.orElse(0, IntValue.of(4));
        requireDefined(width);
        String indention = width instanceof StrValue given
                ? given.text()
                : new TextBuilder(budget).repeat(" ", Bound.integer(width)).toString();
        boolean blankToo = arguments.has(2) && arguments.isTrue(2);
        TextBuilder out = new TextBuilder(budget);
        String separator = arguments.has(1) && arguments.isTrue(1) ? indention : "";
        for (String line : Blanks.lines(text.text() + "\n", false, budget)) {
            boolean isFirst = out.length() == 0 && !separator.startsWith("\n");
            out.append(isFirst || blankToo || !line.isEmpty() ? separator : "\n")
                    .append(line);
            separator = "\n" + indention;
        }
        return text.like(out.toString());
    }

    private static Value truncate(Value value, Bound arguments, Budget budget) {
        long length = arguments.integer(0, 255);
        String end = arguments.has(2) ? arguments.str(2) : "...";
        long leeway = arguments.isSet(3) ? arguments.integer(3, 0) : TRUNCATE_LEEWAY;
        int endLength = end.codePointCount(0, end.length());
        if (length < endLength) {
            throw TemplateException.operation("expected length >= %d, got %d".formatted(endLength, length));
        } else if (leeway < 0) {
            throw TemplateException.operation("expected leeway >= 0, got " + leeway);
        } else if (value.length() <= length + leeway || length + leeway < 0) {
            return value; // of any kind that has a length
        }
        StrValue text = required(value, "truncate");
        budget.makeChars(2L * text.text().length());
        String kept = text.slice(0, (int) (length - endLength)).text();
        int lastBlank = arguments.has(1) && arguments.isTrue(1) ? -1 : kept.lastIndexOf(' ');
        return text.like((lastBlank < 0 ? kept : kept.substring(0, lastBlank)) + end);
    }

    private static Value wordWrap(Value value, Bound arguments, Budget budget) {
        StrValue text = required(value, "wordwrap");
        String separator = arguments.isSet(2) ? arguments.str(2) : "\n";
        requireDefined(arguments.get(0));
        TextWrap wrap = new TextWrap(
                arguments.integer(0, 79),
                !arguments.has(1) || arguments.isTrue(1),
                !arguments.has(3) || arguments.isTrue(3),
                budget);
        TextBuilder out = new TextBuilder(budget);
        String between = "";
        for (String line : Blanks.lines(text.text(), false, budget)) {
            List<String> wrapped = wrap.wrap(line);
            out.append(between).append(String.join(separator, wrapped));
            between = separator;
        }
        return StrValue.of(out.toString());
    }

    private static Value wordCount(Value value, Bound arguments, Budget budget) {
        int words = 0;
        boolean within = false;
        String text = value.text(budget);
        budget.scan(text.length());
        for (int at = 0; at < text.length(); at = text.offsetByCodePoints(at, 1)) {
            int c = text.codePointAt(at);
            boolean isWord = c == '_' || TextCase.isAlphanumeric(c);
            words += isWord && !within ? 1 : 0;
            within = isWord;
        }
        return IntValue.of(words);
    }

    private static Value format(Value value, Arguments arguments, Budget budget) {
        if (!arguments.positional().isEmpty() && !arguments.named().isEmpty()) {
            throw TemplateException.operation("can't handle positional and keyword arguments at the same time");
        }
        Value values = TupleValue.of(arguments.positional());
        if (!arguments.named().isEmpty()) {
            DictValue named = new DictValue();
            arguments.named().forEach((name, argument) -> named.put(StrValue.of(name), argument, budget));
            values = named;
        }
        return Operators.modulo(soft(value, budget), values, budget);
    }
}

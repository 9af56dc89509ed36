// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.Blanks;
import org.chorale.data.template.value.BoolValue;
import org.chorale.data.template.value.Bound;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.Function;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.ListValue;
import org.chorale.data.template.value.Markup;
import org.chorale.data.template.value.Search;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.TextRepr;
import org.chorale.data.template.value.TupleValue;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** The methods of a text. */
final class StringMethods {
    private static final Map<String, Method<StrValue>> METHODS = new HashMap<>();

    static {
        makes("upper", TextCase::upper);
        makes("lower", TextCase::lower);
        makes("casefold", TextCase::fold);
        makes("title", TextCase::title);
        makes("capitalize", TextCase::capitalize);
        makes("swapcase", TextCase::swap);
        asks("isupper", TextCase::isUpper);
        asks("islower", TextCase::isLower);
        asks("istitle", TextCase::isTitle);
        asks("isalpha", text -> TextCase.all(text, Character::isLetter));
        asks("isalnum", text -> TextCase.all(text, TextCase::isAlphanumeric));
        asks("isdigit", text -> TextCase.all(text, TextCase::isDigit));
        asks("isdecimal", text -> TextCase.all(text, Character::isDigit));
        asks("isnumeric", text -> TextCase.all(text, TextCase::isNumeric));
        asks("isspace", text -> TextCase.all(text, Blanks::isBlank));
        asks("isascii", text -> text.chars().allMatch(c -> c < 0x80));
        asks("isprintable", text -> text.codePoints().allMatch(TextRepr::isPrintable));
        asks("isidentifier", TextCase::isIdentifier);
        add("strip", (text, arguments, budget) -> strip(text, arguments, true, true, budget), "chars?");
        add("lstrip", (text, arguments, budget) -> strip(text, arguments, true, false, budget), "chars?");
        add("rstrip", (text, arguments, budget) -> strip(text, arguments, false, true, budget), "chars?");
        add("removeprefix", StringMethods::removePrefix, "prefix");
        add("removesuffix", StringMethods::removeSuffix, "suffix");
        add(
                "startswith",
                (text, arguments, budget) -> begins(text, arguments, true, budget),
                "prefix",
                "start?",
                "end?");
        add(
                "endswith",
                (text, arguments, budget) -> begins(text, arguments, false, budget),
                "suffix",
                "start?",
                "end?");
        add("find", (text, arguments, budget) -> find(text, arguments, true, false, budget), "sub", "start?", "end?");
        add("rfind", (text, arguments, budget) -> find(text, arguments, false, false, budget), "sub", "start?", "end?");
        add("index", (text, arguments, budget) -> find(text, arguments, true, true, budget), "sub", "start?", "end?");
        add("rindex", (text, arguments, budget) -> find(text, arguments, false, true, budget), "sub", "start?", "end?");
        add("count", StringMethods::count, "sub", "start?", "end?");
        add("replace", StringMethods::replace, "old", "new", "count?");
        add("split", (text, arguments, budget) -> split(text, arguments, false, budget), "sep?", "maxsplit?");
        add("rsplit", (text, arguments, budget) -> split(text, arguments, true, budget), "sep?", "maxsplit?");
        add("splitlines", StringMethods::splitLines, "keepends?");
        add("partition", (text, arguments, budget) -> partition(text, arguments, false, budget), "sep");
        add("rpartition", (text, arguments, budget) -> partition(text, arguments, true, budget), "sep");
        add("join", StringMethods::join, "iterable");
        add("center", (text, arguments, budget) -> pad(text, arguments, 0, budget), "width", "fillchar?");
        add("ljust", (text, arguments, budget) -> pad(text, arguments, -1, budget), "width", "fillchar?");
        add("rjust", (text, arguments, budget) -> pad(text, arguments, 1, budget), "width", "fillchar?");
        add("zfill", StringMethods::zeroFill, "width");
        add("expandtabs", StringMethods::expandTabs, "tabsize?");
        add("format_map", StringMethods::formatMap, "mapping");
        for (String unsupported : List.of("encode", "maketrans", "translate")) {
            METHODS.put(unsupported, Method.unsupported(unsupported));
        }
    }

    private StringMethods() {}

    static @Nullable Value find(StrValue text, String name) {
        if (name.equals("format")) { // the one that takes any arguments
            return new Function(
                    "<built-in method format of str object>",
                    (arguments, budget) -> BraceFormat.format(text, arguments, budget));
        }
        Method<StrValue> method = METHODS.get(name);
        return method == null ? null : method.of(text);
    }

    /** Calls a method that there is. */
    static Value call(StrValue text, String name, Arguments arguments, Budget budget) {
        Method<StrValue> method = METHODS.get(name);
        if (method == null) {
            throw new IllegalArgumentException(name);
        }
        return method.body().call(text, method.signature().bind(arguments), budget);
    }

    private static void add(String name, Method.Body<StrValue> body, String... parameters) {
        METHODS.put(name, Method.of(name, body, parameters));
    }

    private static void makes(String name, UnaryOperator<String> body) {
        add(name, (text, arguments, budget) -> {
            budget.makeChars(text.text().length());
            return text.like(body.apply(text.text()));
        });
    }

    private static void asks(String name, Predicate<String> body) {
        add(name, (text, arguments, budget) -> {
            budget.scan(text.text().length());
            return BoolValue.of(body.test(text.text()));
        });
    }

    private static Value strip(StrValue self, Bound arguments, boolean start, boolean end, Budget budget) {
        String text = self.text();
        budget.makeChars(text.length());
        if (!arguments.isSet(0)) {
            String stripped = start ? Blanks.stripStart(text) : text;
            return self.like(end ? Blanks.stripEnd(stripped) : stripped);
        }
        int[] sorted = arguments.str(0).codePoints().sorted().toArray();
        int from = 0;
        int until = text.length();
        while (start && from < until && Arrays.binarySearch(sorted, text.codePointAt(from)) >= 0) {
            from = text.offsetByCodePoints(from, 1);
        }
        while (end && from < until && Arrays.binarySearch(sorted, text.codePointBefore(until)) >= 0) {
            until = text.offsetByCodePoints(until, -1);
        }
        return self.like(text.substring(from, until));
    }

    private static Value removePrefix(StrValue self, Bound arguments, Budget budget) {
        String prefix = arguments.str(0);
        budget.makeChars(self.text().length());
        return self.text().startsWith(prefix) ? self.like(self.text().substring(prefix.length())) : self;
    }

    private static Value removeSuffix(StrValue self, Bound arguments, Budget budget) {
        String suffix = arguments.str(0);
        String text = self.text();
        budget.makeChars(text.length());
        return text.endsWith(suffix) ? self.like(text.substring(0, text.length() - suffix.length())) : self;
    }

    private static Value begins(StrValue self, Bound arguments, boolean prefix, Budget budget) {
        Part part = Part.of(self, arguments, budget);
        List<Value> candidates =
                arguments.get(0) instanceof TupleValue tuple ? tuple.elements() : List.of(arguments.get(0));
        for (Value candidate : candidates) {
            if (!(candidate instanceof StrValue wanted)) {
                throw TemplateException.operation("%s first arg must be str or a tuple of str, not %s"
                        .formatted(prefix ? "startswith" : "endswith", candidate.typeName()));
            }
            String text = wanted.text();
            budget.step();
            budget.scan(text.length());
            if (part.isValid()
                    && text.length() <= part.until() - part.from()
                    && self.text().startsWith(text, prefix ? part.from() : part.until() - text.length())) {
                return BoolValue.TRUE;
            }
        }
        return BoolValue.FALSE;
    }

    /**
     * The part of a text that two arguments name, in UTF-16 units. It is not valid where it would begin behind the text,
     * where not even nothing is found.
     */
    private record Part(int from, int until, boolean isValid) {
        static Part of(StrValue text, Bound arguments, Budget budget) {
            int length = text.length();
            budget.walk(length == text.text().length() ? 0 : length);
            long start = arguments.isSet(1) ? arguments.integer(1, 0) : 0;
            long end = arguments.isSet(2) ? arguments.integer(2, 0) : length;
            long from = start < 0 ? Math.max(0, start + length) : start;
            long until = end < 0 ? Math.max(0, end + length) : Math.min(end, length);
            boolean valid = from <= until;
            int begin = text.unit((int) Math.min(from, length));
            return new Part(begin, Math.max(begin, text.unit((int) until)), valid);
        }

        String in(StrValue text, Budget budget) {
            budget.makeChars(until - from < text.text().length() ? until - from : 0);
            return text.text().substring(from, until);
        }
    }

    private static Value find(StrValue self, Bound arguments, boolean first, boolean required, Budget budget) {
        Part part = Part.of(self, arguments, budget);
        String within = part.in(self, budget);
        int found = !part.isValid()
                ? -1
                : first
                        ? Search.indexOf(within, arguments.str(0), 0, budget)
                        : Search.lastIndexOf(within, arguments.str(0), budget);
        if (found < 0 && required) {
            throw TemplateException.operation("substring not found");
        }
        return IntValue.of(found < 0 ? -1 : self.index(part.from() + found));
    }

    private static Value count(StrValue self, Bound arguments, Budget budget) {
        Part part = Part.of(self, arguments, budget);
        String within = part.in(self, budget);
        if (!part.isValid()) {
            return IntValue.ZERO;
        } else if (arguments.str(0).isEmpty()) {
            return IntValue.of(within.codePointCount(0, within.length()) + 1L);
        }
        int count = 0;
        for (Iterator<Integer> all = Search.all(within, arguments.str(0), budget); all.hasNext(); all.next()) {
            count++;
        }
        return IntValue.of(count);
    }

    private static Value replace(StrValue self, Bound arguments, Budget budget) {
        String replacement =
                self.isMarkup() ? Markup.of(arguments.get(1), budget).text() : arguments.str(1);
        return self.like(replace(self.text(), arguments.str(0), replacement, arguments.integer(2, -1), budget));
    }

    /** A text with what is found replaced, at most {@code count} times if that is not negative. */
    static String replace(String text, String old, String replacement, long count, Budget budget) {
        long left = count < 0 ? Long.MAX_VALUE : count;
        TextBuilder out = new TextBuilder(budget);
        int copied = 0;
        if (old.isEmpty()) {
            for (; left > 0 && copied < text.length(); left--) {
                int next = text.offsetByCodePoints(copied, 1);
                out.append(replacement).append(text, copied, next);
                copied = next;
            }
            out.append(left > 0 ? replacement : "");
        } else {
            for (Iterator<Integer> all = Search.all(text, old, budget); left > 0 && all.hasNext(); left--) {
                int found = all.next();
                out.append(text, copied, found).append(replacement);
                copied = found + old.length();
            }
        }
        return out.append(text, copied, text.length()).toString();
    }

    private static Value split(StrValue self, Bound arguments, boolean fromEnd, Budget budget) {
        long count = arguments.integer(1, -1);
        int limit = count < 0 ? Integer.MAX_VALUE : (int) Math.min(count, Integer.MAX_VALUE);
        TextSplit split = new TextSplit(self.text(), limit, budget);
        List<String> parts;
        if (!arguments.isSet(0)) {
            parts = fromEnd ? split.atBlanksFromEnd() : split.atBlanks();
        } else if (arguments.str(0).isEmpty()) {
            throw TemplateException.operation("empty separator");
        } else {
            parts = fromEnd ? split.fromEnd(arguments.str(0)) : split.at(arguments.str(0));
        }
        return list(self, parts);
    }

    private static Value splitLines(StrValue self, Bound arguments, Budget budget) {
        return list(self, Blanks.lines(self.text(), arguments.has(0) && arguments.isTrue(0), budget));
    }

    private static Value list(StrValue self, List<String> parts) {
        List<Value> values = new ArrayList<>(parts.size());
        parts.forEach(part -> values.add(self.like(part)));
        return new ListValue(values);
    }

    private static Value partition(StrValue self, Bound arguments, boolean last, Budget budget) {
        String text = self.text();
        String separator = arguments.str(0);
        if (separator.isEmpty()) {
            throw TemplateException.operation("empty separator");
        }
        budget.makeChars(text.length());
        int found = last ? Search.lastIndexOf(text, separator, budget) : Search.indexOf(text, separator, 0, budget);
        if (found < 0) {
            Value nothing = self.like("");
            return last ? TupleValue.of(nothing, nothing, self) : TupleValue.of(self, nothing, nothing);
        }
        return TupleValue.of(
                self.like(text.substring(0, found)),
                self.like(separator),
                self.like(text.substring(found + separator.length())));
    }

    private static Value join(StrValue self, Bound arguments, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        int place = 0;
        for (Iterator<Value> parts = arguments.get(0).iterator(); parts.hasNext(); place++) {
            Value part = parts.next();
            budget.step();
            out.append(place == 0 ? "" : self.text());
            if (self.isMarkup()) {
                out.append(Markup.of(part, budget).text());
            } else if (part instanceof StrValue text) {
                out.append(text.text());
            } else {
                throw TemplateException.operation(
                        "sequence item %d: expected str instance, %s found".formatted(place, part.typeName()));
            }
        }
        return self.like(out.toString());
    }

    /** Fills up to a width: -1 on the right, 1 on the left, 0 on both sides. */
    private static Value pad(StrValue self, Bound arguments, int side, Budget budget) {
        String fill = arguments.has(1) ? arguments.str(1) : " ";
        if (fill.codePointCount(0, fill.length()) != 1) {
            throw TemplateException.operation("The fill character must be exactly one character long");
        }
        long width = arguments.integer(0, 0);
        long missing = Math.max(0, width - self.length());
        long left = side < 0 ? 0 : side > 0 ? missing : missing / 2 + (missing & width & 1);
        return self.like(new TextBuilder(budget)
                .repeat(fill, left)
                .append(self.text())
                .repeat(fill, missing - left)
                .toString());
    }

    private static Value zeroFill(StrValue self, Bound arguments, Budget budget) {
        long missing = Math.max(0, arguments.integer(0, 0) - self.length());
        String text = self.text();
        int sign = text.startsWith("-") || text.startsWith("+") ? 1 : 0;
        return self.like(new TextBuilder(budget)
                .append(text, 0, sign)
                .repeat("0", missing)
                .append(text, sign, text.length())
                .toString());
    }

    private static Value expandTabs(StrValue self, Bound arguments, Budget budget) {
        long size = Math.max(0, arguments.integer(0, 8));
        TextBuilder out = new TextBuilder(budget);
        long column = 0;
        for (int c : self.text().codePoints().toArray()) {
            if (c == '\t') {
                long blanks = size == 0 ? 0 : size - column % size;
                out.repeat(" ", blanks);
                column += blanks;
            } else {
                out.appendCodePoint(c);
                column = c == '\n' || c == '\r' ? 0 : column + 1;
            }
        }
        return self.like(out.toString());
    }

    private static Value formatMap(StrValue self, Bound arguments, Budget budget) {
        if (!(arguments.get(0) instanceof DictValue mapping)) {
            throw TemplateException.operation("format_map() needs a mapping");
        }
        return BraceFormat.format(self, mapping, budget);
    }
}

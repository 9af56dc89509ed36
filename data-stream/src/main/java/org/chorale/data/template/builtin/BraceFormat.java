// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Arguments;
import org.chorale.data.template.value.DictValue;
import org.chorale.data.template.value.FormatSpec;
import org.chorale.data.template.value.IntValue;
import org.chorale.data.template.value.Markup;
import org.chorale.data.template.value.Numbers;
import org.chorale.data.template.value.StrValue;
import org.chorale.data.template.value.TextBuilder;
import org.chorale.data.template.value.TextRepr;
import org.chorale.data.template.value.Value;
import org.jspecify.annotations.Nullable;

/** {@code "{} {name.part!r:>10}".format(…)}. Attributes are looked up as the sandbox allows. */
final class BraceFormat {
    /** How deep the specifications of fields may have fields of their own. */
    private static final int MAX_DEPTH = 2;

    private final Arguments arguments;
    private final @Nullable DictValue mapping;
    private final boolean markup;
    private final Budget budget;
    private int automatic;
    private boolean numbered;

    private BraceFormat(Arguments arguments, @Nullable DictValue mapping, boolean markup, Budget budget) {
        this.arguments = arguments;
        this.mapping = mapping;
        this.markup = markup;
        this.budget = budget;
    }

    static Value format(StrValue format, Arguments arguments, Budget budget) {
        return format.like(new BraceFormat(arguments, null, format.isMarkup(), budget).fill(format.text(), MAX_DEPTH));
    }

    static Value format(StrValue format, DictValue mapping, Budget budget) {
        return format.like(
                new BraceFormat(Arguments.NONE, mapping, format.isMarkup(), budget).fill(format.text(), MAX_DEPTH));
    }

    private String fill(String format, int depth) {
        if (depth < 0) {
            throw TemplateException.operation("Max string recursion exceeded");
        }
        TextBuilder out = new TextBuilder(budget);
        for (int at = 0; at < format.length(); ) {
            char c = format.charAt(at);
            boolean doubled = at + 1 < format.length() && format.charAt(at + 1) == c;
            if (c == '{' && !doubled) {
                int end = endOfField(format, at + 1);
                out.append(field(format.substring(at + 1, end), depth));
                at = end + 1;
            } else if (c == '}' && !doubled) {
                throw TemplateException.operation("Single '}' encountered in format string");
            } else {
                out.append(c);
                at += c == '{' || c == '}' ? 2 : 1;
            }
        }
        return out.toString();
    }

    private static int endOfField(String format, int from) {
        int open = 1;
        for (int at = from; at < format.length(); at++) {
            open += format.charAt(at) == '{' ? 1 : format.charAt(at) == '}' ? -1 : 0;
            if (open == 0) {
                return at;
            }
        }
        throw TemplateException.operation(
                from == format.length()
                        ? "Single '{' encountered in format string"
                        : "expected '}' before end of string");
    }

    private String field(String field, int depth) {
        budget.step();
        int nameEnd = 0;
        while (nameEnd < field.length() && ":!".indexOf(field.charAt(nameEnd)) < 0) {
            nameEnd = field.charAt(nameEnd) == '[' && field.indexOf(']', nameEnd) > 0
                    ? field.indexOf(']', nameEnd)
                    : nameEnd + 1;
        }
        Value value = value(field.substring(0, nameEnd));
        int at = nameEnd;
        if (field.startsWith("!", at)) {
            value = converted(value, field, at + 1);
            at += 2;
        }
        String spec = fill(field.substring(Math.min(field.length(), at + 1)), depth - 1);
        String text = FormatSpec.parse(spec).format(value, budget);
        boolean safe = !markup || (value instanceof StrValue written && written.isMarkup());
        return safe ? text : Markup.escape(text, budget);
    }

    private Value converted(Value value, String field, int at) {
        char conversion = at < field.length() ? field.charAt(at) : 0;
        if (at + 1 < field.length() && field.charAt(at + 1) != ':') {
            throw TemplateException.operation("expected ':' after conversion specifier");
        }
        return switch (conversion) {
            case 's' -> StrValue.of(value.text(budget));
            case 'r' -> StrValue.of(value.repr(budget));
            case 'a' -> StrValue.of(TextRepr.ascii(value.repr(budget)));
            default -> throw TemplateException.operation("Unknown conversion specifier '" + conversion + "'");
        };
    }

    /** {@code first.attribute[element]…}. */
    private Value value(String name) {
        int at = 0;
        while (at < name.length() && ".[".indexOf(name.charAt(at)) < 0) {
            at++;
        }
        Value value = first(name.substring(0, at));
        while (at < name.length()) {
            budget.step();
            boolean isElement = name.charAt(at) == '[';
            int end = isElement ? name.indexOf(']', at) : at + 1;
            while (!isElement && end < name.length() && ".[".indexOf(name.charAt(end)) < 0) {
                end++;
            }
            if (end <= at + 1) {
                throw TemplateException.operation("Empty attribute in format string");
            }
            String part = name.substring(at + 1, end);
            value = isElement ? Attributes.bracket(value, key(part), budget) : Attributes.dot(value, part);
            at = isElement ? end + 1 : end;
        }
        return value;
    }

    private static Value key(String part) {
        IntValue index = isNumber(part) ? Numbers.parseInt(part, 10) : null;
        return index == null ? StrValue.of(part) : index;
    }

    private static boolean isNumber(String name) {
        return !name.isEmpty() && name.chars().allMatch(c -> c >= '0' && c <= '9');
    }

    private Value first(String name) {
        if (name.isEmpty() || isNumber(name)) {
            return positional(name);
        }
        Value value = mapping == null ? arguments.named().get(name) : mapping.get(name);
        if (value == null) {
            throw TemplateException.operation("there is no argument '" + name + "'");
        }
        return value;
    }

    private Value positional(String name) {
        if (name.isEmpty() ? numbered : automatic > 0) {
            throw TemplateException.operation(
                    "cannot switch between manual field specification and automatic field numbering");
        }
        numbered = !name.isEmpty();
        long place = numbered ? ((IntValue) key(name)).clamped() : automatic++;
        if (place >= arguments.positional().size()) {
            throw TemplateException.operation("Replacement index " + place + " out of range for positional args tuple");
        }
        return arguments.positional().get((int) place);
    }
}

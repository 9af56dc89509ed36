// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import org.chorale.data.template.limit.Budget;
import org.jspecify.annotations.Nullable;

/** What the characters of HTML are written as. */
public final class Markup {
    private Markup() {}

    public static String escape(String text, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        int copied = 0;
        for (int i = 0; i < text.length(); i++) {
            String escaped = escape(text.charAt(i));
            if (escaped != null) {
                out.append(text, copied, i).append(escaped);
                copied = i + 1;
            }
        }
        return out.append(text, copied, text.length()).toString();
    }

    private static @Nullable String escape(char c) {
        return switch (c) {
            case '&' -> "&amp;";
            case '<' -> "&lt;";
            case '>' -> "&gt;";
            case '\'' -> "&#39;";
            case '"' -> "&#34;";
            default -> null;
        };
    }

    /** A value as markup: what is none yet is escaped. */
    public static StrValue of(Value value, Budget budget) {
        if (value instanceof StrValue text && text.isMarkup()) {
            return text;
        }
        return StrValue.markup(escape(value.text(budget), budget));
    }
}

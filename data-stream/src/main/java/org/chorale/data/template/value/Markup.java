// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import org.chorale.data.template.limit.Budget;

/** What the characters of HTML are written as. */
public final class Markup {
    private Markup() {}

    public static String escape(String text, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '\'' -> out.append("&#39;");
                case '"' -> out.append("&#34;");
                default -> out.append(c);
            }
        }
        return out.toString();
    }

    /** A value as markup: what is none yet is escaped. */
    public static StrValue of(Value value, Budget budget) {
        if (value instanceof StrValue text && text.isMarkup()) {
            return text;
        }
        return StrValue.markup(escape(value.text(budget), budget));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

import org.chorale.data.template.limit.TemplateException;

/** Replaces the escapes of a string by what they stand for. What is no escape stays, its backslash included. */
final class Escapes {
    private static final String SINGLE = "abfnrtv\\'\"";
    private static final String MEANING = "\u0007\b\f\n\r\t\u000b\\'\"";

    private final String text;
    private final int line;
    private final StringBuilder out = new StringBuilder();
    private int at;

    Escapes(String text, int line) {
        this.text = text;
        this.line = line;
    }

    String replaced() {
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c == '\\') {
                escape();
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    private void escape() {
        if (at == text.length()) {
            throw TemplateException.syntax(line, "\\ at end of string");
        }
        int c = text.codePointAt(at);
        at += Character.charCount(c);
        if (SINGLE.indexOf(c) >= 0) {
            out.append(MEANING.charAt(SINGLE.indexOf(c)));
        } else if (c == 'x' || c == 'u' || c == 'U') {
            hex(c == 'x' ? 2 : c == 'u' ? 4 : 8, (char) c);
        } else if (c >= '0' && c <= '7') {
            octal();
        } else if (c == 'N') {
            named();
        } else if (c > 0x7e) {
            // Jinja2 escapes what is beyond ASCII before it looks for escapes: the two backslashes become one.
            out.append(
                    c < 0x100 ? "\\x%02x".formatted(c) : c < 0x10000 ? "\\u%04x".formatted(c) : "\\U%08x".formatted(c));
        } else if (c != '\n') { // a line that goes on
            out.append('\\').appendCodePoint(c);
        }
    }

    private void hex(int digits, char kind) {
        int end = at;
        while (end < text.length() && end < at + digits && Character.digit(text.charAt(end), 16) >= 0) {
            end++;
        }
        long code = end == at + digits ? Long.parseLong(text.substring(at, end), 16) : Long.MAX_VALUE;
        if (code > Character.MAX_CODE_POINT) {
            throw TemplateException.syntax(
                    line,
                    end < at + digits
                            ? "truncated \\" + kind + "X".repeat(digits) + " escape"
                            : "illegal Unicode character");
        }
        out.appendCodePoint((int) code);
        at = end;
    }

    private void octal() {
        int code = 0;
        int end = Math.min(text.length(), at + 2);
        for (at--; at < end && text.charAt(at) >= '0' && text.charAt(at) <= '7'; at++) {
            code = code * 8 + text.charAt(at) - '0';
        }
        out.appendCodePoint(code);
    }

    private void named() {
        int end = text.startsWith("{", at) ? text.indexOf('}', at) : -1;
        if (end < 0) {
            throw TemplateException.syntax(line, "malformed \\N character escape");
        }
        try {
            out.appendCodePoint(Character.codePointOf(text.substring(at + 1, end)));
        } catch (IllegalArgumentException e) {
            throw TemplateException.syntax(line, "unknown Unicode character name");
        }
        at = end + 1;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Blanks;

/**
 * Cuts a template into tokens as Jinja2 does with {@code trim_blocks} and {@code lstrip_blocks}: a statement takes the
 * blanks before it on its line and the line end behind it with it, a minus all white space, a plus nothing.
 */
final class Lexer {
    private static final List<String> OPERATORS = List.of(
            "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
            "=", ".", ":", "|", ",", ";");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private final Deque<Character> brackets = new ArrayDeque<>();
    private int at;
    private int line = 1;
    private int counted; // line ends before this place are counted

    /** Whether the text before {@link #at} ended a line, so that blanks behind it begin one. */
    private boolean lineStarts = true;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Token> tokens(String source) {
        String lines = source.replace("\r\n", "\n").replace('\r', '\n');
        return new Lexer(lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines).run();
    }

    private List<Token> run() {
        while (at < source.length()) {
            int tag = nextTag();
            if (tag < 0) {
                data(at, source.length());
                at = source.length();
            } else {
                tag(tag);
            }
        }
        add(TokenType.END, "");
        return tokens;
    }

    private int nextTag() {
        for (int tag = source.indexOf('{', at); tag >= 0; tag = source.indexOf('{', tag + 1)) {
            if (tag + 1 < source.length() && "{%#".indexOf(source.charAt(tag + 1)) >= 0) {
                return tag;
            }
        }
        return -1;
    }

    private void tag(int tag) {
        char kind = source.charAt(tag + 1);
        int rawEnd = kind == '%' ? endOfRawBegin(tag) : -1;
        char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : 0;
        boolean signed = sign == '-' || sign == '+';
        data(at, endOfData(at, tag, signed ? sign : 0, kind != '{'));
        moveTo(rawEnd >= 0 ? rawEnd : tag + (signed ? 3 : 2));
        if (rawEnd >= 0) {
            raw();
        } else if (kind == '#') {
            comment();
        } else if (kind == '{') {
            add(TokenType.VARIABLE_BEGIN, "");
            inside("}}");
        } else {
            add(TokenType.BLOCK_BEGIN, "");
            inside("%}");
        }
    }

    /** Where the data before a tag ends, once the white space that the tag takes is gone. */
    private int endOfData(int from, int tag, char sign, boolean takesBlanks) {
        if (sign == '-') {
            int end = tag;
            while (end > from && Blanks.isBlank(source.charAt(end - 1))) {
                end--;
            }
            return end;
        } else if (sign == '+' || !takesBlanks) {
            return tag;
        }
        int start = tag; // looks at the data alone: on one long line, looking for its start would take squared time
        while (start > from && source.charAt(start - 1) != '\n' && Blanks.isBlank(source.charAt(start - 1))) {
            start--;
        }
        boolean wholeLine = start > from ? source.charAt(start - 1) == '\n' : lineStarts;
        return wholeLine ? start : tag;
    }

    private void data(int from, int until) {
        if (until > from) {
            countLines(from);
            tokens.add(new Token(TokenType.DATA, source.substring(from, until), line));
        }
    }

    /** The place behind a {@code raw} tag that begins here; -1 where none does. */
    private int endOfRawBegin(int tag) {
        int place = tag + 2;
        place += place < source.length() && "+-".indexOf(source.charAt(place)) >= 0 ? 1 : 0;
        place = afterBlanks(place);
        if (!source.startsWith("raw", place)) {
            return -1;
        }
        place = afterBlanks(place + 3);
        if (source.startsWith("-%}", place)) {
            return afterBlanks(place + 3);
        }
        return source.startsWith("%}", place) ? place + 2 : -1;
    }

    private void raw() {
        int from = at;
        for (int tag = source.indexOf("{%", at); tag >= 0; tag = source.indexOf("{%", tag + 2)) {
            int place = tag + 2;
            char sign = place < source.length() ? source.charAt(place) : 0;
            boolean signed = sign == '-' || sign == '+';
            place = afterBlanks(signed ? place + 1 : place);
            int end = source.startsWith("endraw", place) ? endOfBlock(afterBlanks(place + 6)) : -1;
            if (end >= 0) {
                data(from, endOfData(from, tag, signed ? sign : 0, true));
                moveTo(end);
                return;
            }
        }
        if (at < source.length()) {
            throw fail("Missing end of raw directive");
        }
    }

    private void comment() {
        int end = source.indexOf("#}", at);
        if (at == source.length()) {
            return; // what begins at the very end is nothing to Jinja2
        } else if (end < 0) {
            throw fail("Missing end of comment tag");
        }
        char sign = end > at ? source.charAt(end - 1) : 0;
        moveTo(sign == '-' ? afterBlanks(end + 2) : sign == '+' ? end + 2 : afterLineEnd(end + 2));
    }

    /** The place behind the end of a block with its sign and the white space that it takes; -1 where none is. */
    private int endOfBlock(int place) {
        if (source.startsWith("%}", place)) {
            return afterLineEnd(place + 2);
        } else if (source.startsWith("-%}", place)) {
            return afterBlanks(place + 3);
        }
        return source.startsWith("+%}", place) ? place + 3 : -1;
    }

    private int endOfVariable(int place) {
        if (source.startsWith("}}", place)) {
            return place + 2;
        }
        return source.startsWith("-}}", place) ? afterBlanks(place + 3) : -1;
    }

    private int afterBlanks(int from) {
        int place = from;
        while (place < source.length() && Blanks.isBlank(source.charAt(place))) {
            place++;
        }
        return place;
    }

    private int afterLineEnd(int place) {
        return source.startsWith("\n", place) ? place + 1 : place;
    }

    private void moveTo(int place) {
        lineStarts = source.charAt(place - 1) == '\n';
        at = place;
        countLines(place);
    }

    private void countLines(int until) {
        for (; counted < until; counted++) {
            line += source.charAt(counted) == '\n' ? 1 : 0;
        }
    }

    /** The tokens up to the end of a tag. Within brackets, what looks like the end is none. */
    private void inside(String close) {
        boolean isVariable = close.equals("}}");
        while (at < source.length()) {
            countLines(at);
            int end = !brackets.isEmpty() ? -1 : isVariable ? endOfVariable(at) : endOfBlock(at);
            if (end >= 0) {
                add(isVariable ? TokenType.VARIABLE_END : TokenType.BLOCK_END, "");
                moveTo(end);
                return;
            } else if (Blanks.isBlank(source.charAt(at))) {
                at++;
            } else {
                token();
            }
        }
    }

    private void token() {
        char c = source.charAt(at);
        if (c >= '0' && c <= '9') {
            NumberScanner number = new NumberScanner(source, at);
            add(number.isFloat() ? TokenType.FLOAT : TokenType.INTEGER, number.text());
            at = number.end();
        } else if (c == '_' || Character.isUnicodeIdentifierPart(source.codePointAt(at))) {
            name();
        } else if (c == '\'' || c == '"') {
            string(c);
        } else {
            operator();
        }
    }

    private void name() {
        int end = at;
        while (end < source.length() && Character.isUnicodeIdentifierPart(source.codePointAt(end))) {
            end += Character.charCount(source.codePointAt(end));
        }
        if (source.charAt(at) != '_' && !Character.isUnicodeIdentifierStart(source.codePointAt(at))) {
            throw fail("Invalid character in identifier");
        }
        add(TokenType.NAME, source.substring(at, end));
        at = end;
    }

    private void string(char quote) {
        int end = at + 1;
        while (end < source.length() && source.charAt(end) != quote) {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        if (end >= source.length()) {
            throw fail("unexpected char " + (quote == '"' ? "'\"'" : "\"'\"") + " at " + at);
        }
        add(TokenType.STRING, new Escapes(source.substring(at + 1, end), line).replaced());
        at = end + 1;
    }

    private void operator() {
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, at)) {
                balance(operator.charAt(0));
                add(TokenType.OPERATOR, operator);
                at += operator.length();
                return;
            }
        }
        throw fail("unexpected char '" + Character.toString(source.codePointAt(at)) + "' at " + at);
    }

    private void balance(char bracket) {
        switch (bracket) {
            case '(' -> brackets.push(')');
            case '[' -> brackets.push(']');
            case '{' -> brackets.push('}');
            case ')', ']', '}' -> {
                if (brackets.isEmpty()) {
                    throw fail("unexpected '" + bracket + "'");
                }
                char expected = brackets.pop();
                if (expected != bracket) {
                    throw fail("unexpected '" + bracket + "', expected '" + expected + "'");
                }
            }
            default -> {}
        }
    }

    private void add(TokenType type, String text) {
        tokens.add(new Token(type, text, line));
    }

    private TemplateException fail(String problem) {
        return TemplateException.syntax(line, problem);
    }
}

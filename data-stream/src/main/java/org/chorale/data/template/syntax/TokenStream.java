// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.List;
import org.chorale.data.template.limit.TemplateException;

/** The tokens of a template, with a place in them and the depth of what is parsed there. */
final class TokenStream {
    private final List<Token> tokens;
    private final int maxDepth;
    private int at;
    private int depth;

    TokenStream(List<Token> tokens, int maxDepth) {
        this.tokens = tokens;
        this.maxDepth = maxDepth;
    }

    Token current() {
        return tokens.get(at);
    }

    Token following() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    int line() {
        return current().line();
    }

    /** Goes on, and gives the token that it leaves. */
    @CanIgnoreReturnValue
    Token next() {
        Token token = current();
        at = Math.min(at + 1, tokens.size() - 1);
        return token;
    }

    boolean skipName(String name) {
        boolean found = current().isName(name);
        if (found) {
            next();
        }
        return found;
    }

    boolean skipOperator(String operator) {
        boolean found = current().isOperator(operator);
        if (found) {
            next();
        }
        return found;
    }

    boolean is(String operator) {
        return current().isOperator(operator);
    }

    boolean is(TokenType type) {
        return current().is(type);
    }

    @CanIgnoreReturnValue
    Token expect(TokenType type) {
        return expect(current().is(type), type.description());
    }

    void expectName(String name) {
        expect(current().isName(name), name);
    }

    void expectOperator(String operator) {
        expect(current().isOperator(operator), operator);
    }

    @CanIgnoreReturnValue
    private Token expect(boolean met, String expected) {
        if (met) {
            return next();
        } else if (current().is(TokenType.END)) {
            throw fail("unexpected end of template, expected '" + expected + "'.");
        }
        throw fail("expected token '" + expected + "', got '" + current().describe() + "'");
    }

    /** Goes one level deeper; {@link #leave} ends it. After an exception nobody leaves: parsing ends with it. */
    void enter() {
        if (++depth > maxDepth) {
            throw new TemplateException(
                            TemplateException.Kind.LIMIT, "the template is nested deeper than " + maxDepth + " levels")
                    .at(line());
        }
    }

    /** Whether what is built has reached the depth that may be parsed. */
    void requireDepth(int built) {
        if (built > maxDepth) {
            throw new TemplateException(
                            TemplateException.Kind.LIMIT,
                            "an expression has more than " + maxDepth + " parts; set some of them first")
                    .at(line());
        }
    }

    void leave() {
        depth--;
    }

    TemplateException fail(String problem) {
        return TemplateException.syntax(line(), problem);
    }
}

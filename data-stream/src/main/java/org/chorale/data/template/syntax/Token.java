// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.syntax;

/**
 * A token of a template.
 *
 * @param text the text of data, a name or an operator; the value of a string; the digits of a number
 * @param line from 1
 */
record Token(TokenType type, String text, int line) {
    boolean is(TokenType other) {
        return type == other;
    }

    boolean isName(String name) {
        return type == TokenType.NAME && text.equals(name);
    }

    boolean isOperator(String operator) {
        return type == TokenType.OPERATOR && text.equals(operator);
    }

    /** For a message. */
    String describe() {
        return type == TokenType.NAME || type == TokenType.OPERATOR ? text : type.description();
    }
}

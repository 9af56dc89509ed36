// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

/** A text from a data set, which must not steer the terminal. */
final class Visible {
    private Visible() {}

    static String of(String text) {
        StringBuilder visible = new StringBuilder();
        text.codePoints().forEach(c -> {
            boolean steers = Character.getType(c) == Character.CONTROL && c != '\n' && c != '\t';
            boolean turns = Character.getType(c) == Character.FORMAT && c != 0x200D; // joins parts of an emoji
            visible.append(steers || turns ? "\\u%04x".formatted(c) : Character.toString(c));
        });
        return visible.toString();
    }
}

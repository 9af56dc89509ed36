// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Turns tokens into text while they come, so that what was said never has to be taken back: a token may hold half of a
 * character, or a blank that only shows between two words.
 *
 * <p>What a few last tokens decode to is compared with what they decode to together with the new one; the difference is
 * said, unless it ends in the character that stands for broken UTF-8. Then more tokens are waited for.
 */
final class TextStream {
    private static final char BROKEN = '\uFFFD';

    /** A character has at most 4 bytes and so 4 tokens; whoever writes more of them broken writes them so. */
    private static final int MAX_HELD_TOKENS = 16;

    private final Function<long[], String> decode;
    private final Consumer<String> out;
    private long[] window = {}; // the tokens that may still change how the next one reads
    private int said; // how many of them were said

    TextStream(Function<long[], String> decode, Consumer<String> out) {
        this.decode = decode;
        this.out = out;
    }

    void add(long token) {
        window = Arrays.copyOf(window, window.length + 1);
        window[window.length - 1] = token;
        say(window.length - said > MAX_HELD_TOKENS);
    }

    /** Says what is left, broken or not. */
    void end() {
        say(true);
        window = new long[0];
        said = 0;
    }

    private void say(boolean whatever) {
        String before = decode.apply(Arrays.copyOf(window, said));
        String now = decode.apply(window);
        boolean grows = now.startsWith(before) && now.length() > before.length();
        boolean broken = !now.isEmpty() && now.charAt(now.length() - 1) == BROKEN;
        if (!whatever && (!grows || broken)) {
            return;
        }
        if (!grows) { // tokens that say nothing, as special ones do, are not held for ever
            window = Arrays.copyOf(window, said);
            return;
        }
        out.accept(now.substring(before.length()));
        window = Arrays.copyOfRange(window, said, window.length);
        said = window.length;
    }
}

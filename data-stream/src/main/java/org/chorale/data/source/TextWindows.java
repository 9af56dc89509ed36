// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.io.Reader;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.data.tokenizer.TokenSpans;

/**
 * Cuts a text into windows that fit into a sequence: as many whole lines as fit, or a part of a line that is longer. A
 * window's tokens are counted as they will be when it is trained, by itself, because a tokenizer may join over a line's
 * end. Memory is bounded by a few windows.
 */
final class TextWindows {
    /** Characters that are looked at, over what a window is guessed to take. */
    private static final double MARGIN = 1.25;

    /** The first guess of a text; a later one is what the window before had. */
    private static final double FIRST_CHARS_PER_TOKEN = 6;

    /** A window ends here at the latest, even if a tokenizer makes fewer tokens of it than fit (of many blanks, say). */
    private static final int MAX_CHARS_PER_TOKEN = 64;

    private static final char BYTE_ORDER_MARK = '\uFEFF';

    private final TextTokenizer tokenizer;
    private final int maxTokens; // of a window, without those that are added to it
    private final IndexWriter index;

    TextWindows(TextTokenizer tokenizer, int sequenceTokens, IndexWriter index) {
        this.tokenizer = tokenizer;
        this.index = index;
        int added = tokenizer.addedTokens() + (tokenizer.addsEos() ? 0 : 1); // the last window is ended by a token
        this.maxTokens = Math.max(1, sequenceTokens - added);
    }

    /** Adds the windows of one text to the index. */
    void scan(Reader text) throws IOException {
        StringBuilder ahead = new StringBuilder(); // read, but not in a window yet
        double charsPerToken = FIRST_CHARS_PER_TOKEN;
        long offset = 0;
        while (true) {
            int wanted = (int) Math.ceil(maxTokens * Math.min(MARGIN * charsPerToken, MAX_CHARS_PER_TOKEN)) + 1;
            boolean atEnd = !readAhead(text, ahead, wanted);
            if (ahead.isEmpty()) {
                return;
            } else if (offset == 0 && ahead.charAt(0) == BYTE_ORDER_MARK) {
                ahead.deleteCharAt(0);
                offset = utf8Bytes(String.valueOf(BYTE_ORDER_MARK));
                continue;
            }
            String block = ahead.substring(0, codePointEnd(ahead, Math.min(wanted, ahead.length())));
            TokenSpans spans = tokenizer.encodeSpans(block, false);
            charsPerToken = (double) block.length() / Math.max(1, spans.ids().length);
            boolean rest = atEnd && block.length() == ahead.length();
            String window = block.substring(0, windowChars(block, spans, rest));
            index.add(offset, utf8Bytes(window));
            offset += utf8Bytes(window);
            ahead.delete(0, window.length());
        }
    }

    /** How many characters of a block fit into a window. */
    private int windowChars(String block, TokenSpans spans, boolean rest) {
        if (spans.ids().length <= maxTokens) {
            return rest ? block.length() : lineEnd(block, block.length());
        }
        int oneCharacter = block.offsetByCodePoints(0, 1);
        int end = block.length();
        TokenSpans window = spans;
        while (window.ids().length > maxTokens && end > oneCharacter) {
            int fits = block.offsetByCodePoints(0, window.starts()[maxTokens]);
            int shorter = Math.min(lineEnd(block, fits), block.offsetByCodePoints(end, -1));
            end = Math.max(oneCharacter, shorter);
            window = tokenizer.encodeSpans(block.substring(0, end), false); // by itself it may take more or fewer
        }
        return end;
    }

    /** Where the last whole line before {@code limit} ends; the limit itself where there is none. */
    private static int lineEnd(String block, int limit) {
        int lines = block.lastIndexOf('\n', limit - 1) + 1;
        return lines > 0 ? lines : limit;
    }

    private static int codePointEnd(CharSequence chars, int end) {
        boolean splitsPair = end < chars.length() && Character.isHighSurrogate(chars.charAt(end - 1));
        return splitsPair ? end + 1 : end;
    }

    /** Reads until so many characters are there; false at the end of the text. */
    private static boolean readAhead(Reader text, StringBuilder ahead, int wanted) throws IOException {
        while (ahead.length() < wanted + 1) { // one more, so that the end is known when it is reached
            CharBuffer more = CharBuffer.allocate(wanted + 1 - ahead.length());
            if (text.read(more) < 0) {
                return false;
            }
            ahead.append(more.flip());
        }
        return true;
    }

    private static int utf8Bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }
}

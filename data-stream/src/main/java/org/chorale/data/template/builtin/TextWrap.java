// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.builtin;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.chorale.data.template.limit.Budget;
import org.chorale.data.template.limit.TemplateException;
import org.chorale.data.template.value.Blanks;

/** Wraps one line as Python's {@code textwrap} does: between words, behind hyphens, and within words if need be. */
final class TextWrap {
    private final int width;
    private final boolean breakLongWords;
    private final boolean breakOnHyphens;
    private final Budget budget;

    TextWrap(long width, boolean breakLongWords, boolean breakOnHyphens, Budget budget) {
        if (width <= 0) {
            throw TemplateException.operation("invalid width " + width + " (must be > 0)");
        }
        this.width = (int) Math.min(width, Integer.MAX_VALUE);
        this.breakLongWords = breakLongWords;
        this.breakOnHyphens = breakOnHyphens;
        this.budget = budget;
    }

    List<String> wrap(String line) {
        Deque<String> chunks = chunks(line);
        List<String> lines = new ArrayList<>();
        while (!chunks.isEmpty()) {
            if (Blanks.isBlank(chunks.getFirst()) && !lines.isEmpty()) {
                chunks.removeFirst();
            }
            String next = Blanks.stripEnd(line(chunks));
            budget.makeElements(1);
            if (!next.isEmpty()) {
                lines.add(next);
            }
        }
        return lines;
    }

    /** Takes as many chunks as fit one line. */
    private String line(Deque<String> chunks) {
        StringBuilder line = new StringBuilder();
        int length = 0;
        while (!chunks.isEmpty() && length + length(chunks.getFirst()) <= width) {
            length += length(chunks.getFirst());
            line.append(chunks.removeFirst());
        }
        if (!chunks.isEmpty() && length(chunks.getFirst()) > width) {
            if (breakLongWords) {
                line.append(breakOff(chunks, width - length));
            } else if (line.length() == 0) {
                line.append(chunks.removeFirst());
            }
        }
        budget.makeChars(line.length());
        return line.toString();
    }

    private String breakOff(Deque<String> chunks, int space) {
        String chunk = chunks.removeFirst();
        budget.scan(chunk.length());
        int end = chunk.offsetByCodePoints(0, Math.max(1, space));
        int hyphen = chunk.lastIndexOf('-', end - 1);
        if (breakOnHyphens
                && space > 1
                && hyphen > 0
                && chunk.chars().limit(hyphen).anyMatch(c -> c != '-')) {
            end = hyphen + 1;
        } else if (space < 1) {
            end = chunk.offsetByCodePoints(0, 1);
        }
        chunks.addFirst(chunk.substring(end));
        return chunk.substring(0, end);
    }

    private static int length(String chunk) {
        return chunk.codePointCount(0, chunk.length());
    }

    /** Blanks, words and parts of words, behind which a line may end. */
    private Deque<String> chunks(String line) {
        Deque<String> chunks = new ArrayDeque<>();
        for (int at = 0; at < line.length(); ) {
            int end = at + 1;
            boolean blank = Blanks.isBlank(line.charAt(at));
            while (end < line.length()
                    && Blanks.isBlank(line.charAt(end)) == blank
                    && !(!blank && endsAt(line, at, end))) {
                end++;
            }
            budget.makeElements(1);
            chunks.addLast(line.substring(at, end));
            at = end;
        }
        return chunks;
    }

    /** Whether a part of a word that begins at {@code from} ends before {@code at}. */
    private boolean endsAt(String line, int from, int at) {
        if (!breakOnHyphens) {
            return false;
        }
        boolean dashes = line.startsWith("--", from);
        if (dashes && from > 0 && isPunctuated(line.charAt(from - 1))) {
            return line.charAt(at) != '-' && line.charAt(at - 1) == '-' && isWord(line.charAt(at));
        } else if (line.charAt(at - 1) == '-') {
            return behindHyphen(line, at);
        }
        return isPunctuated(line.charAt(at - 1)) && beforeDash(line, at);
    }

    /** Letters on both sides of the hyphen: two before it, or one and another hyphen, and two behind it. */
    private static boolean behindHyphen(String line, int at) {
        boolean twoBefore = isLetter(line, at - 2) && isLetter(line, at - 3);
        boolean initials = isLetter(line, at - 2) && charAt(line, at - 3) == '-' && isLetter(line, at - 4);
        boolean behind = isLetter(line, at)
                && (isLetter(line, at + 1) || (charAt(line, at + 1) == '-' && isLetter(line, at + 2)));
        return (twoBefore || initials) && behind;
    }

    private static boolean beforeDash(String line, int at) {
        int end = at;
        while (charAt(line, end) == '-') {
            end++;
        }
        return end - at >= 2 && isWord(charAt(line, end));
    }

    private static char charAt(String line, int at) {
        return at >= 0 && at < line.length() ? line.charAt(at) : 0;
    }

    private static boolean isLetter(String line, int at) {
        char c = charAt(line, at);
        return isWord(c) && !Character.isDigit(c);
    }

    private static boolean isWord(char c) {
        return c == '_' || TextCase.isAlphanumeric(c);
    }

    private static boolean isPunctuated(char c) {
        return isWord(c) || "!\"'&.,?".indexOf(c) >= 0;
    }
}

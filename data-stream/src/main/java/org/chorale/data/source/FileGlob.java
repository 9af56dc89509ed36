// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.nio.file.Path;

/**
 * A pattern for names of files: {@code *} and {@code ?} stay within a folder, {@code **} does not, {@code [a-z]} is one
 * of some characters and {@code {a,b}} one of some texts. Matching takes time in proportion to the name.
 */
final class FileGlob {
    private static final String WILD = "*?[{";

    private final Pattern names;
    private final int depth;

    private FileGlob(Pattern names, int depth) {
        this.names = names;
        this.depth = depth;
    }

    static boolean isGlob(String pattern) {
        return pattern.chars().anyMatch(c -> WILD.indexOf(c) >= 0);
    }

    /**
     * Reads a pattern with slashes.
     *
     * @throws PatternSyntaxException where a bracket or brace is not closed
     */
    static FileGlob of(String pattern) {
        int depth =
                pattern.contains("**") ? Integer.MAX_VALUE : Path.of(pattern).getNameCount();
        return new FileGlob(Pattern.compile(expression(pattern)), depth);
    }

    /** Folders below which no name matches. */
    int depth() {
        return depth;
    }

    boolean matches(String name) {
        return names.matches(name);
    }

    private static String expression(String pattern) {
        StringBuilder out = new StringBuilder();
        int braces = 0;
        for (int i = 0; i < pattern.length(); i++) {
            char c = pattern.charAt(i);
            if (pattern.startsWith("**/", i)) {
                out.append("(?:.*/)?");
                i += 2;
            } else if (pattern.startsWith("**", i)) {
                out.append(".*");
                i++;
            } else if (c == '[') {
                int end = Math.max(i, pattern.indexOf(']', i + 2));
                String set = pattern.substring(i + 1, Math.max(i + 1, end)).replace("\\", "\\\\");
                out.append('[')
                        .append(set.startsWith("!") ? "^" + set.substring(1) : set)
                        .append(end > i ? "]" : "");
                i = end;
            } else if (c == '{' || c == '}') {
                braces += c == '{' ? 1 : -1;
                out.append(c == '{' ? "(?:" : ")");
            } else {
                out.append(braces > 0 && c == ',' ? "|" : one(c));
            }
        }
        return out.toString();
    }

    private static String one(char c) {
        return switch (c) {
            case '*' -> "[^/]*";
            case '?' -> "[^/]";
            default -> Pattern.quote(String.valueOf(c));
        };
    }
}

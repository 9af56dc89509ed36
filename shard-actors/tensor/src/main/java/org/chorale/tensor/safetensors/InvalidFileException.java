// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.nio.file.Path;

/** A file breaks a rule of its format. The message names the file, the tensor where there is one, and the rule. */
public final class InvalidFileException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Names may be as long as the format allows; a message shows no more of one than this. */
    private static final int SHOWN_CHARS = 200;

    private final Path file;

    /** A file as a whole breaks a rule. */
    public InvalidFileException(Path file, String problem) {
        super(file + ": " + problem);
        this.file = file;
    }

    /** One tensor of a file breaks a rule. */
    public InvalidFileException(Path file, String tensor, String problem) {
        this(file, "tensor " + printable(tensor) + ": " + problem);
    }

    /** The file that breaks the rule. */
    public Path file() {
        return file;
    }

    /** Text of a file in a form that a terminal and a log survive: shortened, and without control characters. */
    public static String printable(String text) {
        String shown = text.length() <= SHOWN_CHARS ? text : text.substring(0, SHOWN_CHARS) + "…";
        StringBuilder printable = new StringBuilder(shown.length());
        shown.codePoints().forEach(c -> {
            if (Character.isISOControl(c) || Character.getType(c) == Character.FORMAT) {
                printable.append("\\u%04x".formatted(c));
            } else {
                printable.appendCodePoint(c);
            }
        });
        return printable.toString();
    }
}

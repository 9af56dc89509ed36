// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.safetensors;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Stream;

/** Recognises what people and downloads put in the place of a safetensors file, so that the refusal can say it. */
final class ForeignFormat {
    /** Bytes of a file's beginning that suffice to recognise it. */
    static final int HEAD_BYTES = 512;

    static final String PICKLE = "is a pickle file, which can run code when it is read; only safetensors are read";

    private static final int PICKLE_PROTO = 0x80;
    private static final int NEWEST_PICKLE_PROTOCOL = 5;

    private ForeignFormat() {}

    /** @throws InvalidFileException where the name alone says that it is a pickle file */
    static void refuseName(Path file) {
        if (isPickleName(file.toString())) {
            throw new InvalidFileException(file, PICKLE);
        }
    }

    static boolean isPickleName(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        return Stream.of(".bin", ".pt", ".pth", ".ckpt").anyMatch(lower::endsWith);
    }

    /**
     * To be asked only of a file whose ninth byte is not <code>{</code>: a healthy file may begin with the bytes of a
     * pickle, 80 02, where its header takes 640 bytes.
     *
     * @throws InvalidFileException where {@code head} belongs to a known format of another kind
     */
    static void refuseContent(Path file, byte[] head) {
        String text = new String(head, StandardCharsets.ISO_8859_1);
        String lower = text.stripLeading().toLowerCase(Locale.ROOT);
        if (text.startsWith("PK\003\004") || isPickle(head)) {
            throw new InvalidFileException(file, PICKLE);
        } else if (text.startsWith("version https://git-lfs.github.com/spec/")) {
            throw new InvalidFileException(
                    file, "is a Git LFS pointer, not the file that it stands for; fetch that with `git lfs pull`");
        } else if (Stream.of("<!doctype", "<html", "<?xml").anyMatch(lower::startsWith)) {
            throw new InvalidFileException(
                    file, "is an HTML or XML page, most likely an error page that a download saved; download it again");
        }
    }

    private static boolean isPickle(byte[] head) {
        return head.length >= 2
                && Byte.toUnsignedInt(head[0]) == PICKLE_PROTO
                && head[1] >= 1
                && head[1] <= NEWEST_PICKLE_PROTOCOL;
    }
}

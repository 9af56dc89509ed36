// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.tokenizer;

import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.Objects;

/** Real, small tokenizers among the test resources. */
public final class Tokenizers {
    private Tokenizers() {}

    /** Bytes as characters, a beginning-of-sequence token, ends with {@code <|eot_id|>} (4): as Llama 3's. */
    public static Path byteLevel() {
        return folder("bytelevel");
    }

    /** Blanks as {@code ▁}, bytes where characters are unknown, ends with {@code </s>} (2): as Llama 2's. */
    public static Path metaspace() {
        return folder("metaspace");
    }

    /** ChatML with marked answers; it refuses a message of role {@code bad}. */
    public static Path chatml() {
        return resource("/templates/chatml.jinja");
    }

    private static Path folder(String name) {
        return resource("/tokenizers/" + name);
    }

    private static Path resource(String name) {
        try {
            URL resource = Tokenizers.class.getResource(name);
            return Path.of(Objects.requireNonNull(resource).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}

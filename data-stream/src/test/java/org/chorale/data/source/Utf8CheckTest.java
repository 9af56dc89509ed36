// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class Utf8CheckTest {
    @Test
    void textInManyScriptsPasses() throws IOException {
        assertThat(check(bytes("naïve 日本語 🙂\n".repeat(50_000)))).isEmpty();
        assertThat(check(new byte[0])).isEmpty();
    }

    @Test
    void theLineOfTheFirstBadByteIsNamed() throws IOException {
        byte[] text = bytes("🙂🙂🙂\n".repeat(30_000) + "here ? it is\nmore\n");
        text[30_000 * 13 + 5] = (byte) 0xC3;
        assertThat(check(text)).hasValue(30_001);
        assertThat(check(new byte[] {'a', '\n', (byte) 0xF0, (byte) 0x9F})).hasValue(2);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static OptionalLong check(byte[] bytes) throws IOException {
        ByteArrayInputStream in = new ByteArrayInputStream(bytes);
        OptionalLong line = Utf8Check.firstBadLine(in);
        assertThat(in.available()).isZero();
        return line;
    }
}

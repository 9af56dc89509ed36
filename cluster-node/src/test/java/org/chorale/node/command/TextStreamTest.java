// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tokens are bytes here, the worst that a tokenizer can do to a text. */
final class TextStreamTest {
    private final List<String> parts = new ArrayList<>();
    private final TextStream stream = new TextStream(TextStreamTest::decoded, parts::add);

    @ParameterizedTest
    @ValueSource(strings = {"plain", "Grüße, 世界 👋🏽!", "\uFFFD is a character too", "", "a\uFFFD"})
    void whatIsSaidInPartsIsTheWholeText(String text) {
        bytes(text).forEach(stream::add);
        stream.end();
        assertThat(String.join("", parts)).isEqualTo(text);
    }

    @Test
    void noPartEndsWithinACharacter() {
        bytes("ü世👋").forEach(stream::add);
        assertThat(parts).containsExactly("ü", "世", "👋");
    }

    @Test
    void aCharacterThatNeverEndsIsSaidBrokenAtTheEnd() {
        bytes("a👋").subList(0, 3).forEach(stream::add);
        assertThat(parts).containsExactly("a");
        stream.end();
        assertThat(String.join("", parts)).isEqualTo("a\uFFFD");
    }

    @Test
    void whoeverWritesNothingButBrokenBytesIsNotWaitedForLonger() {
        for (int i = 0; i < 1000; i++) {
            stream.add(0xFF);
        }
        assertThat(String.join("", parts).length()).isBetween(1000 - 17, 1000);
        stream.end();
        assertThat(String.join("", parts)).isEqualTo("\uFFFD".repeat(1000));
    }

    @Test
    void aDecoderThatDropsTheFirstBlankKeepsThoseBetweenWords() {
        TextStream words = new TextStream(
                ids -> {
                    StringBuilder text = new StringBuilder();
                    for (long id : ids) {
                        text.append(" w").append(id);
                    }
                    return text.toString().stripLeading();
                },
                parts::add);
        for (long word = 1; word <= 4; word++) {
            words.add(word);
        }
        words.end();
        assertThat(parts).containsExactly("w1", " w2", " w3", " w4");
    }

    @Test
    void tokensThatSayNothingAreNotHeldForEver() {
        int[] longest = {0};
        TextStream silent = new TextStream(
                ids -> {
                    longest[0] = Math.max(longest[0], ids.length);
                    return LongStream.of(ids)
                            .filter(id -> id != 0)
                            .mapToObj(id -> "w")
                            .collect(Collectors.joining());
                },
                parts::add);
        silent.add(1);
        for (int i = 0; i < 1000; i++) {
            silent.add(0);
        }
        silent.add(1);
        silent.end();
        assertThat(String.join("", parts)).isEqualTo("ww");
        assertThat(longest[0]).isLessThan(40);
    }

    private static List<Long> bytes(String text) {
        List<Long> bytes = new ArrayList<>();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            bytes.add((long) (b & 0xFF));
        }
        return bytes;
    }

    private static String decoded(long[] ids) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (long id : ids) {
            bytes.write((int) id);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }
}

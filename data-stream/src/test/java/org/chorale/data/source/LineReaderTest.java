// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LineReaderTest {
    @Test
    void linesKnowWhereTheyBegin() throws IOException {
        assertThat(lines("ab\ncde\r\n\nf", 100)).containsExactly("1@0:ab", "2@3:cde", "3@8:", "4@9:f");
        assertThat(lines("ab\n", 100)).containsExactly("1@0:ab");
        assertThat(lines("", 100)).isEmpty();
        assertThat(lines("\n", 100)).containsExactly("1@0:");
    }

    @Test
    void aByteOrderMarkIsPassedOverAtTheStartOnly() throws IOException {
        assertThat(lines("\uFEFFab\n\uFEFFc", 100)).containsExactly("1@3:ab", "2@6:\uFEFFc");
        assertThat(lines("\uFEFF", 100)).isEmpty();
    }

    @Test
    void aLineOfTheGreatestLengthIsReadAndALongerOnePassedOver() throws IOException {
        String row = "x".repeat(1_000_000);
        assertThat(lines(row + "\r\nnext", 1_000_000)).containsExactly("1@0:" + row, "2@1000002:next");
        assertThat(lines(row + "y\nnext", 1_000_000)).containsExactly("1 too long", "2@1000002:next");
        assertThat(lines(row + row + row + "\nnext", 1000)).containsExactly("1 too long", "2@3000001:next");
        assertThat(lines("next\n" + row, 1000)).containsExactly("1@0:next", "2 too long");
    }

    @Test
    void linesOverTheEdgeOfTheBufferAreWhole() throws IOException {
        StringBuilder text = new StringBuilder();
        List<String> expected = new ArrayList<>();
        for (int i = 0; text.length() < 1_000_000; i++) {
            String line = i + "-".repeat(i % 301);
            expected.add("%d@%d:%s".formatted(i + 1, text.length(), line));
            text.append(line).append('\n');
        }
        assertThat(lines(text.toString(), 400)).isEqualTo(expected);
    }

    private static List<String> lines(String text, int max) throws IOException {
        LineReader reader = new LineReader(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)), max);
        List<String> lines = new ArrayList<>();
        while (reader.next()) {
            String line = StandardCharsets.UTF_8.decode(reader.line()).toString();
            lines.add(
                    reader.tooLong()
                            ? reader.number() + " too long"
                            : "%d@%d:%s".formatted(reader.number(), reader.offset(), line));
        }
        return lines;
    }
}

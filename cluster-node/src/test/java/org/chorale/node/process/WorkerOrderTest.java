// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

final class WorkerOrderTest {
    private static final WorkerOrder ORDER =
            new WorkerOrder("10.0.0.7:2550/3", 2, "10.0.0.7", "pekko://a@h:1/c#1", "pekko://a@h:1/k#2", "naïve = ✓");

    @Test
    void anOrderIsReadAsItWasWrittenAndTheStreamStaysBehindIt() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ORDER.writeTo(bytes);
        bytes.write(7);
        ByteArrayInputStream input = new ByteArrayInputStream(bytes.toByteArray());

        assertThat(WorkerOrder.readFrom(input)).isEqualTo(ORDER);
        assertThat(input.read()).isEqualTo(7);
    }

    @Test
    void whoeverStartsAWorkerByHandIsTold() {
        ByteArrayInputStream typed = new ByteArrayInputStream("hello\n".getBytes(StandardCharsets.UTF_8));

        assertThatThrownBy(() -> WorkerOrder.readFrom(typed))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("a node starts this process");
    }

    @Test
    void everyTruncatedOrderIsRefused() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ORDER.writeTo(bytes);
        for (int length = 0; length < bytes.size(); length++) {
            ByteArrayInputStream part = new ByteArrayInputStream(Arrays.copyOf(bytes.toByteArray(), length));
            assertThatThrownBy(() -> WorkerOrder.readFrom(part)).isInstanceOf(EOFException.class);
        }
    }

    @Test
    void aTextOfGigabytesIsRefusedBeforeItIsRead() {
        byte[] bytes = {0x43, 0x48, 0x4f, 0x52, 0x7f, -1, -1, -1};

        assertThatThrownBy(() -> WorkerOrder.readFrom(new ByteArrayInputStream(bytes)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("2147483647 bytes");
    }

    @Test
    void aLineWithoutEndComesInPieces() throws IOException {
        List<String> lines = new ArrayList<>();
        String endless = "x".repeat(2 * OutputLines.MAX_CHARS + 5);
        OutputLines.read(new ByteArrayInputStream(("a\n\n" + endless).getBytes(StandardCharsets.UTF_8)), lines::add);

        assertThat(lines.subList(0, 2)).containsExactly("a", "");
        assertThat(lines.subList(2, lines.size())).hasSize(3).allMatch(line -> line.length() <= OutputLines.MAX_CHARS);
        assertThat(String.join("", lines.subList(2, lines.size()))).isEqualTo(endless);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import org.apache.arrow.flatbuf.Footer;
import org.apache.arrow.flatbuf.Message;
import org.apache.arrow.flatbuf.Schema;
import org.chorale.data.table.TableException;
import org.jspecify.annotations.Nullable;

/**
 * Walks over messages, each of which describes the bytes behind it, its body. In a stream they follow each other, the
 * schema first; of a file the footer has the schema and says where dictionaries and batches are.
 */
final class MessageReader {
    private static final byte[] MAGIC = "ARROW1".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] FEATHER = "FEA1".getBytes(StandardCharsets.US_ASCII);
    private static final int MIN_BYTES = 8;
    private static final int TAIL_BYTES = Integer.BYTES + MAGIC.length;

    /** Before the length of a message; older streams have only the length. */
    private static final int CONTINUATION = -1;

    private static final int MAX_MESSAGE_BYTES = 256 << 20;

    private final FileChannel file;
    private final @Nullable Schema schema;
    private final Deque<Long> blocks = new ArrayDeque<>();
    private long next;
    private long bodyAt;

    private MessageReader(FileChannel file, @Nullable Footer footer) {
        this.file = file;
        this.schema = footer == null ? null : footer.schema();
        if (footer != null) {
            for (int i = 0; i < footer.dictionariesLength(); i++) {
                blocks.add(footer.dictionaries(i).offset());
            }
            for (int i = 0; i < footer.recordBatchesLength(); i++) {
                blocks.add(footer.recordBatches(i).offset());
            }
        }
    }

    static MessageReader of(FileChannel file) throws IOException, TableException {
        if (file.size() < MIN_BYTES) {
            throw new TableException("is no Arrow file (it has only %d bytes)".formatted(file.size()));
        } else if (has(file, 0, FEATHER)) {
            throw new TableException("is a Feather file of version 1; must be Arrow's IPC format (Feather 2)");
        }
        return new MessageReader(file, has(file, 0, MAGIC) ? footer(file) : null);
    }

    private static Footer footer(FileChannel file) throws IOException, TableException {
        long end = file.size() - TAIL_BYTES;
        if (end < MIN_BYTES || !has(file, file.size() - MAGIC.length, MAGIC)) {
            throw new TableException("is no whole Arrow file (it does not end with ARROW1); it may have been cut off");
        }
        int bytes = read(file, end, Integer.BYTES).getInt();
        if (bytes <= 0 || bytes > Math.min(MAX_MESSAGE_BYTES, end - MIN_BYTES)) {
            throw new TableException("is no whole Arrow file (its footer of %d bytes does not fit)".formatted(bytes));
        }
        return Footer.getRootAsFooter(read(file, end - bytes, bytes));
    }

    private static boolean has(FileChannel file, long at, byte[] bytes) throws IOException {
        return Arrays.equals(read(file, at, bytes.length).array(), bytes);
    }

    /** The schema of a file; null of a stream, whose first message it is. */
    @Nullable
    Schema schema() {
        return schema;
    }

    /** The next message; null at the end. */
    @Nullable
    Message next() throws IOException, TableException {
        if (schema != null) {
            if (blocks.isEmpty()) {
                return null;
            }
            next = blocks.remove();
        } else if (next == file.size()) {
            return null; // a stream may end without saying so
        }
        int bytes = length();
        if (bytes == 0) {
            return null;
        } else if (bytes < 0 || bytes > MAX_MESSAGE_BYTES) {
            throw new TableException("is not in Arrow's IPC format (a message of %d bytes)".formatted(bytes));
        }
        Message message = Message.getRootAsMessage(at(bytes));
        bodyAt = next;
        next += message.bodyLength();
        if (message.bodyLength() < 0 || next > file.size()) {
            throw cutOff();
        }
        return message;
    }

    private int length() throws IOException, TableException {
        int bytes = at(Integer.BYTES).getInt();
        return bytes == CONTINUATION ? at(Integer.BYTES).getInt() : bytes;
    }

    /** Where in the file the body of the last message begins. */
    long bodyAt() {
        return bodyAt;
    }

    private ByteBuffer at(int bytes) throws IOException, TableException {
        if (next < 0 || next > file.size() - bytes) {
            throw cutOff();
        }
        ByteBuffer there = read(file, next, bytes);
        next += bytes;
        return there;
    }

    private static TableException cutOff() {
        return new TableException(
                "is no whole Arrow file or stream (a message ends behind its end); it may have been cut off");
    }

    private static ByteBuffer read(FileChannel file, long at, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        while (buffer.hasRemaining()) {
            if (file.read(buffer, at + buffer.position()) < 0) {
                throw new EOFException("the file ends before the bytes at %d".formatted(at + buffer.position()));
            }
        }
        return buffer.flip();
    }
}

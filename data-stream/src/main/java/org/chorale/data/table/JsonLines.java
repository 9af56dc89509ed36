// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Writes the rows of a table, an object on each line, so that the number of a line is that of its row. A row that cannot
 * be used is a line too, one that says why. Memory is bounded by the longest row.
 */
public final class JsonLines {
    /** Longest row, as of lines that a user writes. */
    public static final int MAX_ROW_BYTES = 64 << 20;

    /** Begins a line that says what is wrong with a row; no object begins so. */
    private static final byte PROBLEM = '!';

    private static final JsonFactory JSON = new JsonFactory();

    private final OutputStream out;
    private final Row row = new Row();
    private JsonGenerator json;

    public JsonLines(OutputStream out) throws IOException {
        this.out = out;
        this.json = generator();
    }

    /** Begins a row; its columns are written next. */
    public JsonGenerator begin() throws IOException {
        json.writeStartObject();
        return json;
    }

    /** Ends a row and writes it. */
    public void end() throws IOException {
        json.writeEndObject();
        json.flush();
        if (row.bytes > MAX_ROW_BYTES) {
            problem("the row is longer than 64 MiB; must be shorter");
            return;
        }
        out.write(row.buffer, 0, row.bytes);
        out.write('\n');
        row.bytes = 0;
    }

    /** Writes what is wrong with a row, in place of what was begun of it. */
    public void problem(String what) throws IOException {
        json = generator();
        row.bytes = 0;
        out.write(PROBLEM);
        out.write(what.replaceAll("\\R", " ").getBytes(StandardCharsets.UTF_8));
        out.write('\n');
    }

    /** Whether a line says what is wrong with its row. */
    public static boolean isProblem(ByteBuffer line) {
        return line.hasRemaining() && line.get(line.position()) == PROBLEM;
    }

    /** What is wrong with the row of a line. */
    public static String problem(ByteBuffer line) {
        return StandardCharsets.UTF_8.decode(line.slice().position(1)).toString();
    }

    private JsonGenerator generator() throws IOException {
        return JSON.createGenerator(row).setRootValueSeparator(null);
    }

    /** The bytes of one row; of a row that is too long only how many there are at least. */
    private static final class Row extends OutputStream {
        private static final int FIRST_BYTES = 1 << 16;

        private byte[] buffer = new byte[FIRST_BYTES];
        private int bytes;

        @Override
        public void write(int b) {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] from, int offset, int length) {
            if (bytes > MAX_ROW_BYTES - length) {
                bytes = MAX_ROW_BYTES + 1;
                return;
            }
            if (bytes + length > buffer.length) {
                buffer = Arrays.copyOf(buffer, Math.max(bytes + length, 2 * buffer.length));
            }
            System.arraycopy(from, offset, buffer, bytes, length);
            bytes += length;
        }
    }
}

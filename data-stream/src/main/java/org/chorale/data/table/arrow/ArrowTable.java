// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import com.fasterxml.jackson.core.JsonGenerator;
import com.google.flatbuffers.Table;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Objects;
import org.apache.arrow.flatbuf.DictionaryBatch;
import org.apache.arrow.flatbuf.Endianness;
import org.apache.arrow.flatbuf.Message;
import org.apache.arrow.flatbuf.MessageHeader;
import org.apache.arrow.flatbuf.RecordBatch;
import org.apache.arrow.flatbuf.Schema;
import org.chorale.data.table.JsonLines;
import org.chorale.data.table.TableException;
import org.jspecify.annotations.Nullable;

/** Converts a file or stream in Arrow's IPC format: its batches in order, and the rows of each, column by column. */
public final class ArrowTable {
    private final FileChannel file;
    private final MessageReader messages;
    private final JsonLines rows;
    private @Nullable Columns columns;
    private long row;

    private ArrowTable(FileChannel file, MessageReader messages, JsonLines rows) {
        this.file = file;
        this.messages = messages;
        this.rows = rows;
    }

    /**
     * Converts all rows.
     *
     * @throws TableException where it is not in Arrow's format, is damaged, or needs what is not supported
     */
    public static void convert(Path path, JsonLines rows) throws IOException, TableException {
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            new ArrowTable(file, MessageReader.of(file), rows).convert();
        } catch (IndexOutOfBoundsException e) { // in its footer
            throw new TableException("is no whole Arrow file (its footer is damaged)", e);
        }
    }

    private void convert() throws IOException, TableException {
        try {
            Schema schema = messages.schema();
            columns = schema == null ? null : columns(schema);
            for (Message message = messages.next(); message != null; message = messages.next()) {
                convert(message);
            }
            if (columns == null) {
                throw new TableException(
                        "is no whole Arrow file (it ends before its schema); it may have been cut off");
            }
        } catch (UnsupportedException e) {
            throw new TableException("has what is not supported: " + e.getMessage(), e);
        } catch (UncheckedIOException e) {
            throw new TableException(
                    "cannot be read after row %d (%s)".formatted(row, String.valueOf(e.getCause())), e);
        } catch (RuntimeException | OutOfMemoryError e) { // whatever damaged numbers lead to
            throw new TableException(
                    "cannot be read after row %d (%s); it may be damaged, cut off, or need more memory"
                            .formatted(row, e.getMessage()),
                    e);
        }
    }

    private void convert(Message message) throws IOException {
        switch (message.headerType()) {
            case MessageHeader.Schema -> columns = columns(header(message, new Schema()));
            case MessageHeader.DictionaryBatch -> {
                DictionaryBatch dictionary = header(message, new DictionaryBatch());
                RecordBatch data = Objects.requireNonNull(dictionary.data(), "a dictionary has no values");
                known().dictionary(dictionary.id()).load(buffers(message, data, true), dictionary.isDelta());
            }
            case MessageHeader.RecordBatch -> rows(message, header(message, new RecordBatch()));
            default -> throw new UnsupportedException("a message of kind " + MessageHeader.name(message.headerType()));
        }
    }

    private static Columns columns(Schema schema) {
        if (schema.endianness() != Endianness.Little) {
            throw new UnsupportedException("big-endian numbers");
        }
        return new Columns(schema);
    }

    private void rows(Message message, RecordBatch batch) throws IOException {
        BatchBuffers buffers = buffers(message, batch, false);
        Map<String, Column> byName = known().byName();
        for (Column column : byName.values()) {
            column.load(buffers);
        }
        for (long i = 0; i < batch.length(); i++) {
            JsonGenerator json = rows.begin();
            for (Map.Entry<String, Column> column : byName.entrySet()) {
                column.getValue().writeField(json, column.getKey(), i);
            }
            rows.end();
            row++;
        }
    }

    private Columns known() {
        return Objects.requireNonNull(columns, "a batch comes before the schema");
    }

    private BatchBuffers buffers(Message message, RecordBatch batch, boolean whole) {
        return new BatchBuffers(file, messages.bodyAt(), message.bodyLength(), batch, whole);
    }

    @SuppressWarnings("unchecked") // the header is read into the object that is given
    private static <T extends Table> T header(Message message, T into) {
        return (T) Objects.requireNonNull(message.header(into), "a message has no header");
    }
}

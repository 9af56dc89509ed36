// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Function;
import org.apache.parquet.format.FileMetaData;
import org.apache.parquet.format.RowGroup;
import org.apache.parquet.format.Util;
import org.apache.parquet.io.ColumnIOFactory;
import org.apache.parquet.io.MessageColumnIO;
import org.apache.parquet.io.RecordReader;
import org.apache.parquet.io.api.RecordMaterializer;
import org.apache.parquet.schema.MessageType;
import org.chorale.data.table.JsonLines;
import org.chorale.data.table.TableException;

/** Converts a Parquet file: its row groups in order, and the rows of each as its columns' pages are read side by side. */
public final class ParquetTable {
    private static final int MAGIC = 0x50415231; // "PAR1"
    private static final int ENCRYPTED = 0x50415245; // "PARE"
    private static final int TAIL_BYTES = 2 * Integer.BYTES;
    private static final int MAX_FOOTER_BYTES = 256 << 20;

    private final FileChannel file;
    private long row;

    private ParquetTable(FileChannel file) {
        this.file = file;
    }

    /**
     * Converts all rows.
     *
     * @throws IOException where they cannot be written
     * @throws TableException where it is no Parquet file, is damaged, or needs what is not supported
     */
    public static void convert(Path path, JsonLines rows) throws IOException, TableException {
        read(path, schema -> new RowWriter(schema, rows));
    }

    /** Reads all records, each into what is made for the schema. Throws as {@link #convert} does. */
    public static void read(Path path, Function<MessageType, RecordMaterializer<?>> records)
            throws IOException, TableException {
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            new ParquetTable(file).read(records);
        }
    }

    private void read(Function<MessageType, RecordMaterializer<?>> records) throws IOException, TableException {
        FileMetaData footer = footer();
        try {
            MessageType schema = ParquetSchema.of(footer.getSchema());
            MessageColumnIO columns = new ColumnIOFactory(footer.getCreated_by()).getColumnIO(schema);
            for (RowGroup group : footer.getRow_groups()) {
                try (RowGroupPages pages = new RowGroupPages(file, group, schema)) {
                    read(columns.getRecordReader(pages, records.apply(schema)), group.getNum_rows());
                }
            }
        } catch (UncheckedIOException e) { // of whoever writes the records
            throw e.getCause();
        } catch (UnsupportedException e) {
            throw new TableException("has what is not supported: " + e.getMessage(), e);
        } catch (RuntimeException | OutOfMemoryError e) { // whatever damaged numbers lead its library to
            throw new TableException(
                    "cannot be read after row %d (%s); it may be damaged, or need more memory".formatted(row, root(e)),
                    e);
        }
    }

    private void read(RecordReader<?> records, long count) {
        for (long left = count; left > 0; left--) {
            records.read();
            row++;
        }
    }

    private FileMetaData footer() throws IOException, TableException {
        long size = file.size();
        if (size < TAIL_BYTES + Integer.BYTES || read(0, Integer.BYTES).getInt() != MAGIC) {
            boolean encrypted = size > TAIL_BYTES && read(0, Integer.BYTES).getInt() == ENCRYPTED;
            throw new TableException(
                    encrypted
                            ? "is encrypted; must be plain Parquet"
                            : "is no Parquet file (it does not begin with PAR1)");
        }
        ByteBuffer tail = read(size - TAIL_BYTES, TAIL_BYTES);
        long bytes = Integer.toUnsignedLong(Integer.reverseBytes(tail.getInt()));
        if (tail.getInt() != MAGIC) {
            throw new TableException("is no whole Parquet file (it does not end with PAR1); it may have been cut off");
        } else if (bytes > Math.min(MAX_FOOTER_BYTES, size - TAIL_BYTES - Integer.BYTES)) {
            throw new TableException("is no whole Parquet file (its footer of %d bytes does not fit)".formatted(bytes));
        }
        try {
            return Util.readFileMetaData(new ChannelStream(file, size - TAIL_BYTES - bytes, bytes));
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            throw new TableException("is no whole Parquet file (its footer is damaged: %s)".formatted(root(e)), e);
        }
    }

    private ByteBuffer read(long at, int bytes) throws IOException {
        return ByteBuffer.wrap(new ChannelStream(file, at, bytes).readNBytes(bytes));
    }

    /** The library wraps what went wrong in sentences about itself. */
    private static String root(Throwable thrown) {
        Throwable cause = thrown;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    }
}

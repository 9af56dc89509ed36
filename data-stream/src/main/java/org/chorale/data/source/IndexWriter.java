// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;
import java.util.zip.CheckedOutputStream;
import org.chorale.data.disk.DurableFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * Writes an index while a source is read; holds no examples in memory. See {@link IndexFile} for the layout. What goes
 * wrong is a STORAGE_FAILED, so that it is not mistaken for a source that cannot be read.
 */
final class IndexWriter implements AutoCloseable {
    private final Path target;
    private final DurableFile file;
    private final CRC32C checksum = new CRC32C();
    private final DataOutputStream out;
    private final List<IndexFile.Entry> files = new ArrayList<>();
    private long examples;
    private long examplesOfFile;
    private long chatRows;
    private long filteredRows;

    private IndexWriter(Path target, DurableFile file) {
        this.target = target;
        this.file = file;
        this.out = new DataOutputStream(new CheckedOutputStream(file.out(), checksum));
    }

    static IndexWriter begin(Path target) {
        try {
            IndexWriter writer = new IndexWriter(target, DurableFile.begin(target));
            writer.out.writeLong(IndexFile.MAGIC);
            writer.out.writeInt(IndexFile.VERSION);
            return writer;
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    void add(long offset, int bytes) {
        try {
            out.writeLong(offset);
            out.writeInt(bytes);
            examplesOfFile++;
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    /** Counts the example that was added last as a conversation. */
    void countChat() {
        chatRows++;
    }

    /** Counts a row that a filter leaves out. */
    void countFiltered() {
        filteredRows++;
    }

    long filteredRows() {
        return filteredRows;
    }

    /** Ends the file whose examples were added. */
    void endFile(SourceFile source) {
        files.add(new IndexFile.Entry(source, examplesOfFile));
        examples += examplesOfFile;
        examplesOfFile = 0;
    }

    long examples() {
        return examples;
    }

    /** Puts the index in its place. */
    void commit(String settings, String digest, SkippedRows skipped) {
        try {
            writeSummary(settings, digest, skipped);
            out.writeLong(IndexFile.HEADER_BYTES + examples * IndexFile.EXAMPLE_BYTES);
            out.writeLong(checksum.getValue());
            out.flush();
            file.commit();
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    private void writeSummary(String settings, String digest, SkippedRows skipped) throws IOException {
        out.writeUTF(settings);
        out.writeUTF(digest);
        out.writeLong(chatRows);
        out.writeLong(filteredRows);
        skipped.write(out);
        out.writeInt(files.size());
        for (IndexFile.Entry entry : files) {
            out.writeUTF(entry.file().name());
            out.writeLong(entry.file().bytes());
            out.writeLong(entry.file().modifiedNanos());
            out.writeLong(entry.examples());
        }
    }

    private static FaultException failed(Path target, IOException cause) {
        return new FaultException(FaultCode.STORAGE_FAILED, target + " cannot be written: " + cause, cause);
    }
}

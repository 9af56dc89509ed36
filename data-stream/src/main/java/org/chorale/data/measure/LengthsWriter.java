// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.zip.CRC32C;
import java.util.zip.CheckedOutputStream;
import org.chorale.data.disk.DurableFile;
import org.chorale.data.source.SkippedRows;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * Writes a lengths file, and beside it the pieces of split rows, while rows are measured; holds no examples in memory.
 * See {@link LengthsFile} for the layout. What goes wrong is a STORAGE_FAILED.
 */
final class LengthsWriter implements AutoCloseable {
    private final Path target;
    private final DurableFile file;
    private final DurableFile storedFile;
    private final CRC32C checksum = new CRC32C();
    private final CRC32C storedChecksum = new CRC32C();
    private final DataOutputStream out;
    private final DataOutputStream stored;
    private long examples;
    private long storedBytes;
    private Totals totals = Totals.NONE;

    private LengthsWriter(Path target, DurableFile file, DurableFile storedFile) {
        this.target = target;
        this.file = file;
        this.storedFile = storedFile;
        this.out = new DataOutputStream(new CheckedOutputStream(file.out(), checksum));
        this.stored = new DataOutputStream(new CheckedOutputStream(storedFile.out(), storedChecksum));
    }

    static LengthsWriter begin(Path target) {
        try {
            DurableFile file = DurableFile.begin(target);
            LengthsWriter writer = new LengthsWriter(target, file, beginStored(target, file));
            writer.out.writeLong(LengthsFile.MAGIC);
            writer.out.writeInt(LengthsFile.VERSION);
            return writer;
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    private static DurableFile beginStored(Path target, DurableFile file) throws IOException {
        try {
            return DurableFile.begin(storedPath(target));
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    /** Where the pieces of split rows are. */
    static Path storedPath(Path lengths) {
        return lengths.resolveSibling(lengths.getFileName() + ".pieces");
    }

    void add(long row, MeasuredRow measured) {
        try {
            for (MeasuredRow.Piece piece : measured.pieces()) {
                out.writeLong(row);
                out.writeLong(piece.stored().length == 0 ? LengthsFile.NOT_STORED : storedBytes);
                out.writeInt(piece.tokens());
                for (int token : piece.stored()) {
                    stored.writeInt(token);
                }
                storedBytes += (long) piece.stored().length * Integer.BYTES;
                examples++;
            }
            totals = totals.plus(measured);
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    /** Counts a row that is left out. */
    void skip() {
        totals = totals.plusSkipped();
    }

    long examples() {
        return examples;
    }

    /** Puts both files in their places, the one that names the other last. */
    void commit(String settings, SkippedRows skipped) {
        try {
            stored.flush();
            storedFile.commit();
            out.writeUTF(settings);
            out.writeLong(examples);
            out.writeLong(storedBytes);
            out.writeLong(storedChecksum.getValue());
            writeTotals();
            skipped.write(out);
            out.writeLong(LengthsFile.HEADER_BYTES + examples * LengthsFile.EXAMPLE_BYTES);
            out.writeLong(checksum.getValue());
            out.flush();
            file.commit();
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    @Override
    public void close() {
        try (storedFile) {
            file.close();
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    private void writeTotals() throws IOException {
        out.writeLong(totals.rows());
        out.writeLong(totals.skipped());
        out.writeLong(totals.tokens());
        out.writeLong(totals.trainedTokens());
        out.writeLong(totals.cutExamples());
        out.writeLong(totals.tokensCut());
        out.writeLong(totals.splitRows());
        out.writeLong(totals.untrainedExamples());
        out.writeInt(totals.longest());
    }

    private static FaultException failed(Path target, IOException cause) {
        return new FaultException(FaultCode.STORAGE_FAILED, target + " cannot be written: " + cause, cause);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.github.luben.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.chorale.data.disk.DurableFile;
import org.chorale.data.table.JsonLines;
import org.chorale.data.table.TableException;
import org.chorale.data.table.arrow.ArrowTable;
import org.chorale.data.table.csv.CsvTable;
import org.chorale.data.table.json.JsonTable;
import org.chorale.data.table.parquet.ParquetTable;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** Writes what is in an archive, or the rows of a table as lines of JSON, into a file that can be read in any order. */
final class Expansion {
    private static final int BUFFER_BYTES = 1 << 18;

    /** What goes wrong in reading is the original's fault, and not that of the disk that is written to. */
    private static final class UnreadableException extends IOException {
        private static final long serialVersionUID = 1;

        UnreadableException(IOException cause) {
            super(cause.getMessage(), cause);
        }
    }

    private final Path original;
    private final SourceFile file;
    private final FileKind kind;

    Expansion(Path original, SourceFile file) {
        this.original = original;
        this.file = file;
        this.kind = FileKind.of(file.name());
    }

    /** @throws FaultException DATA_MALFORMED where it is damaged, STORAGE_FAILED where it cannot be written */
    void write(Path target) {
        try (DurableFile durable = DurableFile.begin(target)) {
            OutputStream out = new ExpansionGuard(original, file.bytes(), durable.out(), target);
            write(out);
            out.flush();
            durable.commit();
        } catch (TableException e) {
            throw new FaultException(FaultCode.DATA_MALFORMED, "%s: %s".formatted(original, e.getMessage()), e);
        } catch (UnreadableException e) {
            throw damaged(e);
        } catch (IOException e) {
            throw new FaultException(
                    FaultCode.STORAGE_FAILED, "%s cannot be expanded to %s: %s".formatted(original, target, e), e);
        }
    }

    private void write(OutputStream out) throws IOException, TableException {
        switch (kind) {
            case JSONL, TEXT -> {
                try (InputStream in = open()) {
                    in.transferTo(out);
                }
            }
            case JSON -> {
                try (InputStream in = open()) {
                    JsonTable.convert(in, new JsonLines(out));
                }
            }
            case CSV, TSV -> {
                try (InputStream in = open()) {
                    CsvTable.convert(in, kind == FileKind.CSV ? ',' : '\t', new JsonLines(out));
                }
            }
            case PARQUET -> ParquetTable.convert(uncompressed(), new JsonLines(out));
            case ARROW -> ArrowTable.convert(uncompressed(), new JsonLines(out));
        }
    }

    /** What is read in any order must not be an archive. */
    private Path uncompressed() throws TableException {
        if (ExpandedFiles.isCompressed(file.name())) {
            throw new TableException(
                    "is an archive of a %s file; must be expanded, such files are compressed inside".formatted(kind));
        }
        return original;
    }

    private InputStream open() throws UnreadableException {
        try {
            if (file.bytes() == 0 && ExpandedFiles.isCompressed(file.name())) {
                throw new IOException("it is empty");
            }
            return new OriginalStream(
                    decompressed(new BufferedInputStream(Files.newInputStream(original), BUFFER_BYTES)));
        } catch (IOException e) {
            throw new UnreadableException(e);
        }
    }

    private InputStream decompressed(InputStream raw) throws IOException {
        try {
            return switch (ExpandedFiles.archive(file.name())) {
                case ExpandedFiles.GZIP -> new WholeGzip(raw);
                case ExpandedFiles.ZSTD -> new ZstdInputStream(raw);
                default -> raw;
            };
        } catch (IOException | RuntimeException | Error e) {
            raw.close();
            throw e;
        }
    }

    private FaultException damaged(UnreadableException e) {
        String archive = ExpandedFiles.archive(file.name());
        String reason = e.getMessage() == null ? "it ends too early" : e.getMessage();
        String problem = archive.isEmpty()
                ? "cannot be read (%s)".formatted(reason)
                : "is no whole %s file (%s); it may have been cut off or damaged"
                        .formatted(archive.equals(ExpandedFiles.GZIP) ? "gzip" : "Zstandard", reason);
        return new FaultException(FaultCode.DATA_MALFORMED, original + ": " + problem, e.getCause());
    }

    /** Says of every failure that it is one of reading. */
    private static final class OriginalStream extends FilterInputStream {
        OriginalStream(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            try {
                return in.read(bytes, offset, length);
            } catch (IOException e) {
                throw new UnreadableException(e);
            }
        }
    }
}

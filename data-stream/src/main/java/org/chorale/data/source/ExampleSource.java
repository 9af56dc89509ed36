// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The examples of a file or folder, by number. Neither the files nor their index are held in memory. Safe to use from
 * many threads.
 */
public final class ExampleSource implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ExampleSource.class);

    private final SourceSettings settings;
    private final SourceFiles files;
    private final ExpandedFiles expanded;
    private final IndexReader index;
    private final RowReader rows;
    private final RowExamples examples;

    private ExampleSource(
            SourceSettings settings, SourceFiles files, ExpandedFiles expanded, IndexReader index, RowReader rows) {
        this.settings = settings;
        this.files = files;
        this.expanded = expanded;
        this.index = index;
        this.rows = rows;
        this.examples = new RowExamples(new RowParser(settings.reading(), settings.numbers()), settings.steps());
    }

    /**
     * Opens a source, and reads it from end to end where there is no index of it yet, or an index of other settings, or
     * where sizes or times of its files have changed. What is compressed is expanded into a folder beside the index.
     *
     * @param tokenizer counts the tokens that a text is cut by
     * @throws FaultException FILE_MISSING, DATA_MALFORMED, DATA_EMPTY; DATA_CHANGED where the contents are not those
     *     that the index was made of
     */
    public static ExampleSource open(SourceSettings settings, TextTokenizer tokenizer, Path indexFile) {
        SourceFiles files = SourceFiles.of(settings);
        if (!files.haveRows() && !settings.steps().isEmpty()) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "%s = %s: a folder of texts has no columns for filter, transform, map or select; leave them out"
                            .formatted(settings.key(), settings.path()));
        }
        ExpandedFiles expanded = new ExpandedFiles(expandedFolder(indexFile));
        expanded.prepare(files);
        Optional<IndexFile> before = existing(indexFile);
        String indexSettings = SourceIndexer.settings(settings, files, tokenizer);
        if (before.filter(old -> old.isOf(files.files(), indexSettings)).isEmpty()) {
            String digest = before.map(IndexFile::digest).orElse("");
            new SourceIndexer(settings, files, expanded, tokenizer).index(indexFile, digest);
        }
        return open(settings, files, expanded, indexFile);
    }

    /** Usable examples. */
    public long examples() {
        return index.examples();
    }

    /** Malformed rows, or text files, that were left out. */
    public SkippedRows skipped() {
        return index.contents().skipped();
    }

    /** Rows that a filter left out. */
    public long rowsFiltered() {
        return index.contents().filteredRows();
    }

    /** Rows that are conversations. */
    public long chatRows() {
        return index.contents().chatRows();
    }

    /** SHA-256 over the contents, in hexadecimal; of an archive, over what it expands to. */
    public String digest() {
        return index.contents().digest();
    }

    /** What the examples depend on besides the contents: what is done with each row. */
    public String stepsIdentity() {
        return settings.steps().identity();
    }

    /**
     * Reads an example, from 0.
     *
     * @throws FaultException DATA_CHANGED where the file no longer holds what was indexed, FILE_MISSING where it cannot
     *     be read
     */
    public Example read(long example) {
        try {
            IndexReader.Place place = index.place(example);
            Path path = files.path(files.files().get(place.file()));
            try {
                return parse(rows.read(place.file(), place.offset(), place.bytes()), place.lastOfFile());
            } catch (EOFException | CharacterCodingException | MalformedRowException e) {
                throw new FaultException(
                        FaultCode.DATA_CHANGED,
                        "%s, byte %d: example %d is no longer what was indexed (%s); bring the old data back, or give a"
                                        .formatted(path, place.offset(), example, e.getMessage())
                                + " new run directory (run.dir)",
                        e);
            } catch (IOException e) {
                throw SourceFiles.unreadable(settings, path, e);
            }
        } catch (IOException e) {
            throw unreadableIndex(e);
        }
    }

    /** The bytes that an example takes in its file. */
    public int bytes(long example) {
        try {
            return index.place(example).bytes();
        } catch (IOException e) {
            throw unreadableIndex(e);
        }
    }

    /** Where an example begins; reads its file up to there. */
    public RowPlace place(long example) {
        try {
            IndexReader.Place place = index.place(example);
            SourceFile file = files.files().get(place.file());
            try (InputStream in = Files.newInputStream(expanded.readable(files, file))) {
                return RowPlace.of(files.path(file), 1 + LineReader.lineFeeds(in, place.offset()));
            } catch (IOException e) {
                throw SourceFiles.unreadable(settings, files.path(file), e);
            }
        } catch (IOException e) {
            throw unreadableIndex(e);
        }
    }

    @Override
    public void close() throws IOException {
        try (index) {
            rows.close();
        }
    }

    private Example parse(ByteBuffer row, boolean lastOfFile) throws MalformedRowException, CharacterCodingException {
        return files.haveRows()
                ? examples.read(row)
                : new Example.Text(
                        StandardCharsets.UTF_8.newDecoder().decode(row).toString(), lastOfFile);
    }

    private static FaultException unreadableIndex(IOException cause) {
        return new FaultException(FaultCode.STORAGE_FAILED, "the index cannot be read: " + cause, cause);
    }

    private static Path expandedFolder(Path indexFile) {
        String name = indexFile.getFileName().toString();
        return indexFile.resolveSibling(name.substring(0, name.lastIndexOf('.')) + ".expanded");
    }

    private static ExampleSource open(
            SourceSettings settings, SourceFiles files, ExpandedFiles expanded, Path indexFile) {
        RowReader rows = null;
        try {
            rows = RowReader.open(files.files().stream()
                    .map(file -> expanded.readable(files, file))
                    .toList());
            return new ExampleSource(settings, files, expanded, IndexReader.open(indexFile), rows);
        } catch (IOException e) {
            closeQuietly(rows, e);
            throw SourceFiles.unreadable(settings, rows == null ? settings.path() : indexFile, e);
        } catch (IndexReader.CorruptIndexException e) {
            closeQuietly(rows, e);
            throw new FaultException(
                    FaultCode.STORAGE_FAILED, indexFile + " cannot be read back: " + e.getMessage(), e);
        }
    }

    private static void closeQuietly(@Nullable RowReader rows, Exception because) {
        try {
            if (rows != null) {
                rows.close();
            }
        } catch (IOException e) {
            because.addSuppressed(e);
        }
    }

    private static Optional<IndexFile> existing(Path indexFile) {
        if (!Files.exists(indexFile)) {
            return Optional.empty();
        }
        try (IndexReader index = IndexReader.open(indexFile)) {
            return Optional.of(index.contents());
        } catch (IndexReader.CorruptIndexException e) {
            log.warn("{} is corrupt ({}) and is made anew", indexFile, e.getMessage());
            return Optional.empty();
        } catch (IOException e) {
            throw new FaultException(FaultCode.STORAGE_FAILED, indexFile + " cannot be read: " + e, e);
        }
    }
}

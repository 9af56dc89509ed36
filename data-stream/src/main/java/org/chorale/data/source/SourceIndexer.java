// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.chorale.data.disk.Sha256;
import org.chorale.data.tokenizer.TextTokenizer;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * Reads a source once from end to end and writes its index.
 *
 * <p>The digest of a file of rows is its SHA-256, of a table that of its rows as lines of JSON; that of several files is the SHA-256 of what {@code sha256sum} prints for its files
 * in order, so that both can be checked by hand.
 */
final class SourceIndexer {
    private static final int BUFFER_BYTES = 1 << 16;

    private final SourceSettings source;
    private final SourceFiles files;
    private final ExpandedFiles expanded;
    private final TextTokenizer tokenizer;
    private final RowParser parser;
    private final Rejections rejections;

    SourceIndexer(SourceSettings source, SourceFiles files, ExpandedFiles expanded, TextTokenizer tokenizer) {
        this.source = source;
        this.files = files;
        this.expanded = expanded;
        this.tokenizer = tokenizer;
        this.parser = new RowParser(source.reading(), source.numbers());
        this.rejections = new Rejections(source.malformedRows());
    }

    /** What the examples depend on besides the contents of the files. */
    static String settings(SourceSettings source, SourceFiles files, TextTokenizer tokenizer) {
        SourceConfig reading = source.reading();
        String common = "malformed-rows=" + source.malformedRows();
        return files.haveRows()
                ? "rows %s format=%s columns=%s steps=%s numbers=%s"
                        .formatted(
                                common,
                                reading.format(),
                                new TreeMap<>(reading.columns()),
                                source.steps().identity(),
                                source.numbers().widths())
                : "texts " + common + " sequence-tokens=" + source.sequenceTokens() + " tokenizer="
                        + tokenizer.digest();
    }

    /**
     * Writes the index.
     *
     * @param expectedDigest what the run began with; empty in a new run
     */
    void index(Path indexFile, String expectedDigest) {
        try (IndexWriter index = IndexWriter.begin(indexFile)) {
            String digest = scan(index);
            if (!expectedDigest.isEmpty() && !expectedDigest.equals(digest)) {
                throw changed("is not what the run began with");
            } else if (index.examples() == 0) {
                throw new FaultException(
                        FaultCode.DATA_EMPTY,
                        "%s = %s: has no usable example (%d malformed rows, %d that the filter leaves out)%s"
                                .formatted(
                                        source.key(),
                                        source.path(),
                                        rejections.count(),
                                        index.filteredRows(),
                                        rejections.first()));
            }
            index.commit(settings(source, files, tokenizer), digest, rejections.skipped());
        }
        rejections.report(source.path());
    }

    private String scan(IndexWriter index) {
        MessageDigest ofFolder = Sha256.begin();
        String ofFile = "";
        for (SourceFile file : files.files()) {
            ofFile = scan(file, index);
            ofFolder.update((ofFile + "  " + file.name() + "\n").getBytes(StandardCharsets.UTF_8));
            index.endFile(file);
        }
        if (!SourceFiles.of(source).equals(files)) {
            throw changed("changed while it was read");
        }
        return files.haveRows() && files.files().size() == 1 ? ofFile : Sha256.hex(ofFolder);
    }

    private String scan(SourceFile file, IndexWriter index) {
        Path path = files.path(file);
        MessageDigest digest = Sha256.begin();
        Path readable = expanded.readable(files, file);
        try (InputStream raw = Files.newInputStream(readable);
                InputStream in = new DigestInputStream(raw, digest)) {
            if (files.haveRows()) {
                new JsonlScanner(new RowExamples(parser, source.steps()), index, rejections).scan(path, in);
            } else {
                scanText(path, readable, Utf8Check.firstBadLine(in), index);
            }
            in.transferTo(OutputStream.nullOutputStream());
        } catch (IOException e) {
            throw SourceFiles.unreadable(source, path, e);
        }
        return Sha256.hex(digest);
    }

    private void scanText(Path path, Path readable, OptionalLong badLine, IndexWriter index) throws IOException {
        if (badLine.isPresent()) {
            rejections.reject(
                    new RowPlace(path, badLine.getAsLong(), false),
                    "the file is not valid UTF-8; a text must be saved as UTF-8");
            return;
        }
        try (BufferedReader text = new BufferedReader(
                new InputStreamReader(Files.newInputStream(readable), StandardCharsets.UTF_8.newDecoder()),
                BUFFER_BYTES)) {
            new TextWindows(tokenizer, source.sequenceTokens(), index).scan(text);
        }
    }

    private FaultException changed(String how) {
        return new FaultException(
                FaultCode.DATA_CHANGED,
                "%s = %s: %s; bring the old data back, or give a new run directory (run.dir)"
                        .formatted(source.key(), source.path(), how));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FolderLinksTest {
    @TempDir
    Path root;

    private Path given;

    @BeforeEach
    void makeFolder() throws IOException {
        given = Files.createDirectories(root.resolve("given"));
    }

    @Test
    void aLinkToAFileOfTheFolderIsFollowed() throws IOException {
        write("given/parts/one.jsonl");
        link("given/train.jsonl", "parts/one.jsonl");

        assertThat(names(given.resolve("*.jsonl"))).containsExactly("train.jsonl");
    }

    /** As its downloads lie there: README.md and files, at any depth, are links to blobs with names of hashes. */
    @Test
    void aSnapshotOfTheHubsCacheIsReadThroughItsLinks() throws IOException {
        Path snapshot = Files.createDirectories(root.resolve("datasets--a--b/snapshots/0123abcd"));
        Files.createDirectories(snapshot.resolve("data"));
        write("datasets--a--b/blobs/11aa");
        write("datasets--a--b/blobs/22bb");
        Files.writeString(root.resolve("datasets--a--b/blobs/33cc"), """
                ---
                configs: [{config_name: default, data_files: [{split: train, path: data/t-*}]}]
                ---
                """);
        link(snapshot.resolve("data/t-1.jsonl"), "../../../blobs/11aa");
        link(snapshot.resolve("data/u-1.jsonl"), "../../../blobs/22bb");
        link(snapshot.resolve("README.md"), "../../blobs/33cc");

        assertThat(names(snapshot)).containsExactly("data/t-1.jsonl");
        assertThat(names(snapshot.resolve("data/*.jsonl"))).containsExactly("t-1.jsonl", "u-1.jsonl");
        assertThat(files(snapshot).files().get(0).bytes())
                .as("of the blob")
                .isEqualTo(Files.size(root.resolve("datasets--a--b/blobs/11aa")));
    }

    @Test
    void aSnapshotMayNotReachTheBlobsOfAnother() throws IOException {
        Path snapshot = Files.createDirectories(root.resolve("datasets--a--b/snapshots/0123abcd"));
        write("datasets--c--d/blobs/11aa");
        link(snapshot.resolve("train.jsonl"), "../../../datasets--c--d/blobs/11aa");

        refused(snapshot, "train.jsonl is a link that leads out of the folder, to ", "datasets--c--d/blobs/11aa");
    }

    @Test
    void linksThatLeadElsewhereAreRefusedTogether() throws IOException {
        write("outside.jsonl");
        write("given/a.jsonl");
        link("given/b.jsonl", "../outside.jsonl");
        link("given/c", "nothing");
        link("given/d", "d");
        link("given/up", "..");

        refused(
                given,
                "b.jsonl is a link that leads out of the folder, to "
                        + root.toRealPath().resolve("outside.jsonl"),
                "c is a link to nothing",
                "d is a link that cannot be followed",
                "up is a link to the folder " + root.toRealPath(),
                "; must be files in it, or links to such");
    }

    @Test
    void ofManyLinksAFewAreNamed() throws IOException {
        write("outside.jsonl");
        for (int i = 0; i < 12; i++) {
            link("given/%02d.jsonl".formatted(i), "../outside.jsonl");
        }
        refused(given, ", and 7 more; must be");
    }

    @Test
    void hiddenLinksAndThoseThatAGlobDoesNotMatchMayLeadAnywhere() throws IOException {
        write("outside.jsonl");
        write("given/a.jsonl");
        link("given/.lock", "../outside.jsonl");
        link("given/latest", "..");

        assertThat(names(given.resolve("*.jsonl"))).containsExactly("a.jsonl");
        link("given/b.jsonl", "../outside.jsonl");
        refused(given.resolve("*.jsonl"), "b.jsonl is a link that leads out of the folder");
    }

    private void refused(Path path, String... words) {
        assertThatExceptionOfType(FaultException.class)
                .isThrownBy(() -> files(path))
                .satisfies(e -> assertThat(e.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID))
                .withMessageStartingWith("data.train.path = " + path + ": ")
                .withMessageContainingAll(words);
    }

    private static SourceFiles files(Path path) {
        return SourceFiles.of(
                new SourceSettings("data.train.path", path, SourceConfig.of(path), MalformedRows.FAIL, 64));
    }

    private static List<String> names(Path path) {
        return files(path).files().stream().map(SourceFile::name).toList();
    }

    private void write(String file) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.resolveSibling(""));
        Files.writeString(path, "{\"text\": \"%s\"}\n".formatted(file));
    }

    private void link(String link, String target) throws IOException {
        link(root.resolve(link), target);
    }

    private static void link(Path link, String target) throws IOException {
        Files.createSymbolicLink(link, Path.of(target));
    }
}

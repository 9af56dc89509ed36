// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;

/** Looks through a folder: regular files, no hidden ones, no links, so that nothing outside is read. */
final class FolderListing extends SimpleFileVisitor<Path> {
    /** Beyond this many files a folder is refused: its names alone would fill the memory. */
    private static final int MAX_FILES = 20_000_000;

    private final Path folder;
    private final List<SourceFile> files = new ArrayList<>();

    private FolderListing(Path folder) {
        this.folder = folder;
    }

    /** The files of a folder and, down to a depth, of its folders, in the order of their names. */
    static List<SourceFile> of(Path root, int depth) throws IOException {
        FolderListing listing = new FolderListing(root.toRealPath());
        Files.walkFileTree(listing.folder, Set.<FileVisitOption>of(), depth, listing);
        listing.files.sort(Comparator.comparing(SourceFile::name));
        return listing.files;
    }

    @Override
    public FileVisitResult preVisitDirectory(Path inner, BasicFileAttributes attributes) {
        return !inner.equals(folder) && hidden(inner) ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
        if (attributes.isRegularFile() && !hidden(file)) {
            files.add(SourceFile.of(folder.relativize(file).toString(), file));
        }
        if (files.size() > MAX_FILES) {
            throw new IOException("more than " + MAX_FILES + " files");
        }
        return FileVisitResult.CONTINUE;
    }

    private static boolean hidden(Path path) {
        return String.valueOf(path.getFileName()).startsWith(".");
    }
}

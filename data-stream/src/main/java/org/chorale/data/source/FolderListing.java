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
import java.util.function.Predicate;

/** Looks through a folder: regular files, no hidden ones, and links to files that {@link FolderLinks} allows. */
final class FolderListing extends SimpleFileVisitor<Path> {
    /** Beyond this many files a folder is refused: its names alone would fill the memory. */
    private static final int MAX_FILES = 20_000_000;

    private final Path folder;
    private final Predicate<String> wanted;
    private final FolderLinks links;
    private final List<SourceFile> files = new ArrayList<>();

    private FolderListing(Path folder, Predicate<String> wanted) {
        this.folder = folder;
        this.wanted = wanted;
        this.links = new FolderLinks(folder);
    }

    /**
     * The files of a folder and, down to a depth, of its folders, in the order of their names.
     *
     * @param wanted which names, relative to the folder; links of other names may lead anywhere
     * @throws LinkRefusedException where a link leads where none may
     */
    static List<SourceFile> of(Path root, int depth, Predicate<String> wanted)
            throws IOException, LinkRefusedException {
        FolderListing listing = new FolderListing(root.toRealPath(), wanted);
        Files.walkFileTree(listing.folder, Set.<FileVisitOption>of(), depth, listing);
        listing.links.throwProblems();
        listing.files.sort(Comparator.comparing(SourceFile::name));
        return listing.files;
    }

    @Override
    public FileVisitResult preVisitDirectory(Path inner, BasicFileAttributes attributes) {
        return !inner.equals(folder) && hidden(inner) ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
        String name = folder.relativize(file).toString();
        if (!hidden(file) && wanted.test(name) && isReadable(file, attributes)) {
            files.add(SourceFile.of(name, file));
        }
        if (files.size() > MAX_FILES) {
            throw new IOException("more than " + MAX_FILES + " files");
        }
        return FileVisitResult.CONTINUE;
    }

    private boolean isReadable(Path file, BasicFileAttributes attributes) {
        return attributes.isRegularFile() || (attributes.isSymbolicLink() && links.allow(file));
    }

    private static boolean hidden(Path path) {
        return String.valueOf(path.getFileName()).startsWith(".");
    }
}

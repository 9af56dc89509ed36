// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.google.re2j.PatternSyntaxException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The files that a source is made of, in the order of their examples.
 *
 * @param root the folder that the names are relative to
 * @param haveRows whether they have a row per example; else they are texts, each cut into windows
 * @param files in order
 */
record SourceFiles(Path root, boolean haveRows, List<SourceFile> files) {
    private static final String RIGHT = "must be a file of rows (" + FileKind.ROWS
            + "), a folder of such files or of texts, or a glob of either," + " compressed (.gz, .zst) or not";

    /** Looks at the source now. */
    static SourceFiles of(SourceSettings source) {
        SourceFiles files = found(source);
        SourceConfig reading = source.reading();
        if (!files.haveRows
                && (reading.format() != RowFormat.AUTO || !reading.columns().isEmpty())) {
            throw refused(
                    source,
                    "it has texts and no rows, so that %s has no meaning; leave it out"
                            .formatted(source.key(reading.columns().isEmpty() ? "format" : "columns")));
        }
        if (!files.haveRows && source.numbers().areUsed()) {
            throw refused(source, "it has texts and no rows; with data.numbers it must have rows");
        }
        return files;
    }

    private static SourceFiles found(SourceSettings source) {
        Path path = source.path();
        try {
            if (Files.isDirectory(path)) {
                return folder(source);
            } else if (Files.isRegularFile(path)) {
                return file(source);
            } else if (Files.exists(path)) {
                throw refused(source, RIGHT);
            } else if (FileGlob.isGlob(path.toString())) {
                return glob(source);
            }
            throw new NoSuchFileException(path.toString());
        } catch (NoSuchFileException e) {
            throw new FaultException(
                    FaultCode.FILE_MISSING,
                    "%s = %s: %s does not exist; %s".formatted(source.key(), path, e.getFile(), RIGHT));
        } catch (LinkRefusedException e) {
            throw refused(source, String.valueOf(e.getMessage()));
        } catch (IOException e) {
            throw unreadable(source, path, e);
        }
    }

    Path path(SourceFile file) {
        return root.resolve(file.name());
    }

    static FaultException unreadable(SourceSettings source, Path path, IOException cause) {
        return new FaultException(
                FaultCode.FILE_MISSING,
                "%s = %s: %s cannot be read (%s)".formatted(source.key(), source.path(), path, cause),
                cause);
    }

    static FaultException refused(SourceSettings source, String problem) {
        return new FaultException(
                FaultCode.CONFIG_INVALID, "%s = %s: %s".formatted(source.key(), source.path(), problem));
    }

    private static SourceFiles file(SourceSettings source) throws IOException {
        Path path = source.path().toAbsolutePath().normalize();
        String name = String.valueOf(path.getFileName());
        if (!FileKind.of(name).hasRows()) {
            throw refused(source, RIGHT);
        }
        refuseChoice(source);
        Path folder = path.getParent();
        return new SourceFiles(folder == null ? path : folder, true, List.of(SourceFile.of(name, path)));
    }

    private static SourceFiles folder(SourceSettings source) throws IOException, LinkRefusedException {
        List<SourceFile> all = FolderListing.of(source.path(), Integer.MAX_VALUE, name -> true);
        if (DatasetFolder.isOne(all)) {
            return new SourceFiles(source.path(), true, new DatasetFolder(source, all).files());
        }
        refuseChoice(source);
        return new SourceFiles(source.path(), false, all);
    }

    /** The pattern is what follows the last folder whose name is plain. */
    private static SourceFiles glob(SourceSettings source) throws IOException, LinkRefusedException {
        Path path = source.path().toAbsolutePath();
        Path root = Objects.requireNonNull(path.getRoot());
        for (Path name : path) {
            if (FileGlob.isGlob(name.toString())) {
                break;
            }
            root = root.resolve(name);
        }
        String pattern = root.relativize(path).toString();
        List<SourceFile> files;
        try {
            FileGlob glob = FileGlob.of(pattern);
            files = FolderListing.of(root, glob.depth(), glob::matches);
        } catch (PatternSyntaxException e) {
            throw refused(source, "the glob %s cannot be read: %s".formatted(pattern, e.getMessage()));
        }
        if (files.isEmpty()) {
            throw new FaultException(
                    FaultCode.FILE_MISSING,
                    "%s = %s: no file in %s matches %s".formatted(source.key(), source.path(), root, pattern));
        }
        refuseChoice(source);
        return new SourceFiles(root, haveRows(source, files), files);
    }

    private static boolean haveRows(SourceSettings source, List<SourceFile> files) {
        long withRows = files.stream()
                .filter(file -> FileKind.of(file.name()).hasRows())
                .count();
        if (withRows > 0 && withRows < files.size()) {
            throw refused(
                    source,
                    "%d of its %d files have rows (%s) and the others do not; must be of one kind"
                            .formatted(withRows, files.size(), FileKind.ROWS));
        }
        return withRows > 0;
    }

    /** What a user has chosen must not be passed over. */
    static void refuseChoice(SourceSettings source) {
        SourceConfig reading = source.reading();
        if (reading.subset().isPresent() || reading.split().isPresent()) {
            throw refused(
                    source,
                    "it is no folder of a data set, so that %s has no meaning; leave it null"
                            .formatted(source.key(reading.subset().isPresent() ? "subset" : "split")));
        }
    }
}

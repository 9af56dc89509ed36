// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The links in a folder of data, which lead to files in it, or from a snapshot of the Hugging Face cache to its blobs, as
 * those of a model's folder do. Others would have rows come from where nobody who gives the folder has looked.
 */
final class FolderLinks {
    /** So many are named; a folder of nothing else would fill the screen. */
    private static final int MAX_TOLD = 5;

    private final Path folder; // without links itself
    private final List<String> problems = new ArrayList<>();
    private long refused;

    FolderLinks(Path folder) {
        this.folder = folder;
    }

    /** Whether a link is followed; one that is not is told in the end. */
    boolean allow(Path link) {
        Optional<String> problem = problem(link);
        problem.ifPresent(found -> {
            refused++;
            if (problems.size() < MAX_TOLD) {
                problems.add("%s is a link %s".formatted(folder.relativize(link), found));
            }
        });
        return problem.isEmpty();
    }

    void throwProblems() throws LinkRefusedException {
        if (refused > 0) {
            String more = refused > problems.size() ? ", and %,d more".formatted(refused - problems.size()) : "";
            throw new LinkRefusedException(
                    "%s%s; must be files in it, or links to such: put the files there, or give each folder as a source of its own"
                            .formatted(String.join(", ", problems), more));
        }
    }

    private Optional<String> problem(Path link) {
        try {
            Path real = link.toRealPath();
            if (Files.isDirectory(real)) {
                return Optional.of("to the folder " + real);
            }
            return real.startsWith(folder) || isHubBlob(real)
                    ? Optional.empty()
                    : Optional.of("that leads out of the folder, to " + real);
        } catch (NoSuchFileException e) {
            return Optional.of("to nothing");
        } catch (IOException e) {
            return Optional.of("that cannot be followed (" + e.getMessage() + ")");
        }
    }

    /** The cache keeps files as {@code blobs/HASH}, and links to them from below {@code snapshots/REVISION}. */
    private boolean isHubBlob(Path real) {
        Path above = folder.getParent();
        while (above != null && !above.endsWith("snapshots")) {
            above = above.getParent();
        }
        return above != null && above.resolveSibling("blobs").equals(real.getParent());
    }
}

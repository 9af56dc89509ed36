// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import com.google.errorprone.annotations.MustBeClosed;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.chorale.tensor.safetensors.InvalidFileException;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.training.checkpoint.StoredValues.Piece;

/**
 * The files of a checkpoint, open, and put together by parameter: how many ranks have written them does not matter to
 * who reads them. Nothing but headers is read before values are asked for.
 */
final class CheckpointFiles implements AutoCloseable {
    private static final Comparator<Piece> ROW_MAJOR = Comparator.comparingLong(Piece::from);

    private final List<SafetensorsFile> files = new ArrayList<>();
    private final Map<String, StoredValues> values = new LinkedHashMap<>();
    private final List<Set<String>> counters = new ArrayList<>();

    private CheckpointFiles() {}

    /**
     * Opens all files and holds them against their boxes.
     *
     * @param stored all files of the checkpoint
     * @throws InvalidFileException where files, boxes and each other do not fit, or do not make up whole parameters
     * @throws org.chorale.tensor.safetensors.MissingFileException where a file does not exist
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // this owns the files and closes them
    static CheckpointFiles open(List<StoredFile> stored) {
        if (stored.isEmpty()) {
            throw new IllegalArgumentException("a checkpoint has at least one file");
        }
        CheckpointFiles opened = new CheckpointFiles();
        try {
            stored.forEach(file -> opened.files.add(SafetensorsFile.open(file.path())));
            Problems problems = new Problems();
            opened.compareMetadata(problems);
            opened.putTogether(opened.pieces(stored, problems), problems);
            if (!problems.isEmpty()) {
                throw new InvalidFileException(opened.folder(), "is not a whole checkpoint:" + problems.text());
            }
            return opened;
        } catch (RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    /** What each file says of the run; the same in all. */
    Map<String, String> metadata() {
        return files.get(0).metadata();
    }

    /** Weights and state in their shape, by {@link StoredBox#valuesKey}. */
    Map<String, StoredValues> values() {
        return Collections.unmodifiableMap(values);
    }

    /** @throws IllegalStateException where the checkpoint has none */
    StoredValues values(String kind, String parameter) {
        StoredValues found = values.get(StoredBox.valuesKey(kind, parameter));
        if (found == null) {
            throw new IllegalStateException("the checkpoint has no %s of %s".formatted(kind, parameter));
        }
        return found;
    }

    /** In which the files are. */
    Path folder() {
        return files.get(0).header().file().resolveSibling(".").normalize();
    }

    /** The files in the order of the ranks that wrote them. */
    List<SafetensorsFile> files() {
        return Collections.unmodifiableList(files);
    }

    /** What a file holds beside its boxes. */
    Set<String> counters(int file) {
        return counters.get(file);
    }

    @Override
    public void close() {
        files.forEach(SafetensorsFile::close);
    }

    private void compareMetadata(Problems problems) {
        for (SafetensorsFile file : files.subList(1, files.size())) {
            for (String key : RankState.METADATA) {
                String first = metadata().getOrDefault(key, "nothing");
                String other = file.metadata().getOrDefault(key, "nothing");
                if (!first.equals(other)) {
                    problems.add(
                            "%s: its metadata has %s = %s, that of %s has %s",
                            name(file), key, other, name(files.get(0)), first);
                }
            }
        }
    }

    /** The boxes that are what they are said to be, by what they are of. */
    private Map<String, List<Piece>> pieces(List<StoredFile> stored, Problems problems) {
        Map<String, List<Piece>> pieces = new LinkedHashMap<>();
        for (int i = 0; i < files.size(); i++) {
            SafetensorsFile file = files.get(i);
            Set<String> seen = new HashSet<>();
            for (StoredBox box : stored.get(i).boxes()) {
                String problem = seen.add(box.key()) ? problem(file, box) : "is in the manifest twice";
                if (problem.isEmpty()) {
                    pieces.computeIfAbsent(box.valuesKey(), key -> new ArrayList<>())
                            .add(new Piece(file, box));
                } else {
                    problems.add("%s: %s: %s", name(file), box.key(), problem);
                }
            }
            Set<String> rest = new HashSet<>();
            file.entries().stream()
                    .map(TensorEntry::name)
                    .filter(key -> !seen.contains(key))
                    .forEach(rest::add);
            counters.add(rest);
        }
        return pieces;
    }

    private static String problem(SafetensorsFile file, StoredBox box) {
        if (!box.problem().isEmpty()) {
            return box.problem();
        }
        TensorEntry entry = file.header().find(box.key()).orElse(null);
        if (entry == null) {
            return "the manifest lists it, but it is not in the file";
        } else if (!entry.shape().equals(box.extent())) {
            return "has shape %s, the manifest says %s".formatted(entry.shape(), box.extent());
        }
        return entry.dtype().scalarType().isPresent() ? "" : "libtorch has no type for " + entry.dtype();
    }

    private void putTogether(Map<String, List<Piece>> pieces, Problems problems) {
        pieces.forEach((key, unordered) -> {
            List<Piece> ordered = unordered.stream().sorted(ROW_MAJOR).toList();
            List<Long> shape = ordered.get(0).box().shape();
            StoredType dtype = dtype(ordered.get(0));
            int before = problems.count();
            for (Piece piece : ordered) {
                if (!piece.box().shape().equals(shape) || dtype(piece) != dtype) {
                    problems.add(
                            "%s: is of %s %s in %s, of %s %s in %s",
                            key,
                            dtype,
                            shape,
                            name(ordered.get(0).file()),
                            dtype(piece),
                            piece.box().shape(),
                            name(piece.file()));
                }
            }
            if (problems.count() == before) {
                checkCover(key, ordered, problems);
            }
            values.put(key, new StoredValues(shape, dtype, ordered));
        });
    }

    /** Every element must be somewhere, and nowhere else. */
    private static void checkCover(String key, List<Piece> ordered, Problems problems) {
        long elements = ordered.get(0).box().wholeElements();
        long covered = 0;
        Piece last = ordered.get(0);
        for (Piece piece : ordered) {
            if (piece.from() > covered) {
                problems.add("%s: elements %d to %d of %d are in no file", key, covered, piece.from() - 1, elements);
            } else if (piece.from() < covered) {
                problems.add(
                        "%s: elements from %d on are in %s and again in %s",
                        key, piece.from(), name(last.file()), name(piece.file()));
            }
            if (piece.until() > covered) {
                covered = piece.until();
                last = piece;
            }
        }
        if (covered < elements) {
            problems.add("%s: elements %d to %d of %d are in no file", key, covered, elements - 1, elements);
        }
    }

    private static StoredType dtype(Piece piece) {
        return piece.file().entry(piece.box().key()).dtype();
    }

    private static String name(SafetensorsFile file) {
        return Objects.toString(file.header().file().getFileName());
    }
}

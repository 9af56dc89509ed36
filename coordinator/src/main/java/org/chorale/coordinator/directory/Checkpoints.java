// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.CheckpointManifest;

/**
 * A run's committed checkpoints, {@code checkpoints/step-000123}, and the protocol by which a checkpoint becomes one:
 * its files are written and forced in {@code step-000123.tmp-GENERATION}, the manifest last; then the folder is forced,
 * renamed, and the folder above forced. So a folder without a suffix was whole once, and whatever has a suffix never
 * counted or no longer does.
 */
public final class Checkpoints {
    private static final Pattern COMMITTED = Pattern.compile("step-(\\d{6,18})");

    /**
     * What a search for a checkpoint found.
     *
     * @param checkpoint the newest whole one
     * @param defects of the newer ones that had to be passed over, a line each
     */
    public record Found(Optional<Checkpoint> checkpoint, List<String> defects) {
        public Found {
            defects = List.copyOf(defects);
        }
    }

    private final Path folder;

    Checkpoints(Path folder) {
        this.folder = folder;
    }

    /** The folders of all committed checkpoints, newest first. */
    public List<Path> folders() {
        return Storage.at(folder, () -> Storage.entries(folder)).stream()
                .filter(entry -> committed(entry).matches())
                .sorted(Comparator.comparingLong(Checkpoints::stepOf).reversed())
                .toList();
    }

    /**
     * The newest checkpoint that is whole, down to every byte.
     *
     * @throws FaultException CHECKPOINT_CORRUPT where there are checkpoints and none is whole
     */
    public Found newestWhole() {
        return newestWhole(() -> {});
    }

    /**
     * The newest checkpoint that is whole, down to every byte.
     *
     * @param progress run after each megabyte that is read; what it throws ends the search
     * @throws FaultException CHECKPOINT_CORRUPT where there are checkpoints and none is whole
     */
    public Found newestWhole(Runnable progress) {
        List<String> defects = new ArrayList<>();
        List<Path> candidates = folders();
        for (Path candidate : candidates) {
            Optional<Checkpoint> whole = whole(candidate, defects, progress);
            if (whole.isPresent()) {
                return new Found(whole, defects);
            }
        }
        if (candidates.isEmpty()) {
            return new Found(Optional.empty(), defects);
        }
        throw new FaultException(
                FaultCode.CHECKPOINT_CORRUPT,
                "no checkpoint in %s is whole:\n%s\nRestore one of them, or start anew in another --run-dir"
                        .formatted(folder, String.join("\n", defects)));
    }

    /**
     * The checkpoint of a step, whole down to every byte.
     *
     * @param progress run after each megabyte that is read; what it throws ends the reading
     * @throws FaultException CHECKPOINT_CORRUPT where it is missing or defective
     */
    public Checkpoint wholeAt(long step, Runnable progress) {
        List<String> defects = new ArrayList<>();
        return whole(folder.resolve(name(step)), defects, progress)
                .orElseThrow(() -> new FaultException(FaultCode.CHECKPOINT_CORRUPT, String.join("\n", defects)));
    }

    /**
     * The step whose evaluation is the best so far, as the newest manifest that can be read says; empty where none does,
     * or where that step's checkpoint is not kept.
     */
    public Optional<Checkpoint> best() {
        return folders().stream()
                .flatMap(path -> readable(path).stream())
                .findFirst()
                .filter(newest -> newest.manifest().hasBest())
                .map(newest -> newest.manifest().getBest().getStep())
                .filter(this::isCommitted)
                .flatMap(step -> readable(folder.resolve(name(step))));
    }

    /** Whether there is a checkpoint of this step. */
    public boolean isCommitted(long step) {
        return Files.isDirectory(folder(step));
    }

    /** Where the checkpoint of a step is, if there is one. */
    public Path folder(long step) {
        return folder.resolve(name(step));
    }

    private static Optional<Checkpoint> readable(Path path) {
        try {
            return Optional.of(Checkpoint.read(path));
        } catch (FaultException e) {
            return Optional.empty();
        }
    }

    private static Optional<Checkpoint> whole(Path candidate, List<String> defects, Runnable progress) {
        try {
            Checkpoint checkpoint = Checkpoint.read(candidate);
            List<String> found = new ArrayList<>(checkpoint.defects(progress));
            if (checkpoint.step() != stepOf(candidate)) {
                found.add("%s: its manifest speaks of step %d".formatted(candidate, checkpoint.step()));
            }
            defects.addAll(found);
            return found.isEmpty() ? Optional.of(checkpoint) : Optional.empty();
        } catch (FaultException e) {
            defects.add(String.valueOf(e.getMessage()));
            return Optional.empty();
        }
    }

    /** Makes the folder that workers write a checkpoint's files into. */
    Path begin(long step, long generation) throws IOException {
        Path temporary = temporary(step, generation);
        Storage.delete(temporary);
        return Files.createDirectory(temporary);
    }

    /**
     * Commits what was written since {@link #begin}. A whole checkpoint of the same step is kept and the new one
     * dropped, as both are the same step of the same run and a committed one is never touched. A defective one gives
     * way; were the process to die between the two renames, only what was worthless is gone, since the older checkpoint
     * that this run resumed from is removed after this commit at the earliest.
     */
    Checkpoint commit(CheckpointManifest manifest) throws IOException {
        Path temporary = temporary(manifest.getStep(), manifest.getGeneration());
        refuseDefects(new Checkpoint(temporary, manifest));
        Path target = folder.resolve(name(manifest.getStep()));
        if (Files.exists(target)) {
            Optional<Checkpoint> there = whole(target, new ArrayList<>(), () -> {});
            if (there.isPresent()) {
                Storage.delete(temporary);
                return there.get();
            }
            discard(target, "defective", manifest.getGeneration());
        }
        Storage.create(temporary.resolve(ManifestFile.NAME), manifest.toByteArray());
        Storage.syncFolder(temporary);
        Storage.move(temporary, target);
        return new Checkpoint(target, manifest);
    }

    private static void refuseDefects(Checkpoint checkpoint) {
        List<String> defects = checkpoint.shallowDefects();
        if (!defects.isEmpty()) {
            throw new FaultException(
                    FaultCode.STORAGE_FAILED, "the checkpoint is not what was written:\n" + String.join("\n", defects));
        }
    }

    /**
     * Removes all but the newest {@code keep} checkpoints up to the one that was just committed, and the best where it
     * is to be kept. Checkpoints of later
     * steps are defective ones that the run fell back from; they count for nothing here and are replaced when the run
     * comes to their steps again.
     */
    void prune(Checkpoint committed, int keep, boolean keepBest) throws IOException {
        List<Path> old = folders().stream()
                .filter(path -> stepOf(path) <= committed.step())
                .skip(keep)
                .filter(path -> !keepBest
                        || stepOf(path) != committed.manifest().getBest().getStep())
                .toList();
        for (Path path : old) {
            discard(path, "pruned", committed.manifest().getGeneration());
        }
    }

    /** Removes what earlier generations began and did not finish. */
    void removeLeftovers() throws IOException {
        for (Path entry : Storage.entries(folder)) {
            String name = entry.getFileName().toString();
            if (name.startsWith("step-") && name.contains(".")) {
                Storage.delete(entry);
            }
        }
    }

    /** Renamed first, so that no half-deleted folder ever looks like a checkpoint. */
    private void discard(Path path, String why, long generation) throws IOException {
        Path renamed = path.resolveSibling("%s.%s-%d".formatted(path.getFileName(), why, generation));
        Storage.delete(renamed);
        Storage.move(path, renamed);
        Storage.delete(renamed);
    }

    private Path temporary(long step, long generation) {
        return folder.resolve("%s.tmp-%d".formatted(name(step), generation));
    }

    private static String name(long step) {
        return "step-%06d".formatted(step);
    }

    private static Matcher committed(Path path) {
        return COMMITTED.matcher(path.getFileName().toString());
    }

    private static long stepOf(Path path) {
        Matcher matcher = committed(path);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(path + " is no checkpoint folder");
        }
        return Long.parseLong(matcher.group(1));
    }
}

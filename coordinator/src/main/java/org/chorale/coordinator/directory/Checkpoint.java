// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;

/**
 * A folder with a manifest that could be read; whether its files are what the manifest says, {@link #defects} tells.
 *
 * @param folder such as {@code checkpoints/step-000123}
 */
public record Checkpoint(Path folder, CheckpointManifest manifest) {
    private static final int BUFFER_BYTES = 1 << 20;

    /**
     * Reads a checkpoint's manifest and nothing else.
     *
     * @throws FaultException CHECKPOINT_CORRUPT where there is no manifest that this release can read
     */
    public static Checkpoint read(Path folder) {
        return new Checkpoint(folder, ManifestFile.read(folder));
    }

    /** Optimizer steps done. */
    public long step() {
        return manifest.getStep();
    }

    /** Of all files together, without the manifest. */
    public long bytes() {
        return manifest.getFilesList().stream().mapToLong(ShardFile::getBytes).sum();
    }

    /** Everything that is wrong, a line each; reads every byte. A checkpoint without defects is whole. */
    public List<String> defects() {
        return defects(() -> {});
    }

    /** @param progress run after each megabyte; what it throws ends the reading */
    List<String> defects(Runnable progress) {
        List<String> defects = new ArrayList<>(structureDefects());
        manifest.getFilesList()
                .forEach(file -> lengthDefect(file)
                        .or(() -> digestDefect(file, progress))
                        .ifPresent(defects::add));
        return defects;
    }

    /** What is wrong as far as it can be seen without reading the files' contents. */
    List<String> shallowDefects() {
        List<String> defects = new ArrayList<>(structureDefects());
        manifest.getFilesList().forEach(file -> lengthDefect(file).ifPresent(defects::add));
        return defects;
    }

    private List<String> structureDefects() {
        List<String> defects = new ArrayList<>();
        Set<Integer> ranks = new HashSet<>();
        manifest.getFilesList().forEach(file -> ranks.add(file.getRank()));
        boolean everyRankOnce = manifest.getShardGroupSize() >= 1
                && manifest.getFilesCount() == manifest.getShardGroupSize()
                && ranks.stream().allMatch(rank -> rank >= 0 && rank < manifest.getShardGroupSize())
                && ranks.size() == manifest.getShardGroupSize();
        if (!everyRankOnce) {
            defects.add("%s: files of ranks %s, where ranks 0 to %d must have one each"
                    .formatted(folder.resolve(ManifestFile.NAME), ranks, manifest.getShardGroupSize() - 1));
        }
        return defects;
    }

    private Optional<String> lengthDefect(ShardFile file) {
        if (!ManifestFile.staysInFolder(file)) {
            return Optional.of("%s: file name '%s' does not stay inside the folder"
                    .formatted(folder.resolve(ManifestFile.NAME), file.getName()));
        }
        Path path = folder.resolve(file.getName());
        try {
            if (!Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
                return Optional.of(path + " is missing");
            }
            return Files.size(path) == file.getBytes()
                    ? Optional.empty()
                    : Optional.of(
                            "%s has %d bytes, its manifest says %d".formatted(path, Files.size(path), file.getBytes()));
        } catch (IOException e) {
            return Optional.of("%s cannot be read: %s".formatted(path, e));
        }
    }

    private Optional<String> digestDefect(ShardFile file, Runnable progress) {
        Path path = folder.resolve(file.getName());
        try {
            String digest = sha256(path, progress);
            return digest.equals(file.getSha256().toLowerCase(Locale.ROOT))
                    ? Optional.empty()
                    : Optional.of("%s has SHA-256 %s, its manifest says %s".formatted(path, digest, file.getSha256()));
        } catch (IOException e) {
            return Optional.of("%s cannot be read: %s".formatted(path, e));
        }
    }

    private static String sha256(Path path, Runnable progress) throws IOException {
        try (InputStream in = Files.newInputStream(path)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] buffer = new byte[BUFFER_BYTES];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                digest.update(buffer, 0, read);
                progress.run();
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}

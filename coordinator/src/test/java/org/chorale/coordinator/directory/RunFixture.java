// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;

/** Writes what a worker would. */
public final class RunFixture {
    private RunFixture() {}

    /** A resolved configuration whose settings differ from the defaults in these lines. */
    public static String conf(Path dir, String... lines) {
        String base = "run.dir = \"%s\"\ndata.global-batch = 2\ndata.sequence-tokens = 16\n".formatted(dir);
        return ConfigFactory.parseString(base + String.join("\n", lines))
                .withFallback(ConfigReader.defaults())
                .root()
                .render();
    }

    /** Writes rank 0's file with these contents. */
    public static ShardFile shard(Path folder, String contents) throws IOException {
        return shard(folder, 0, contents);
    }

    /** Writes a rank's file with these contents. */
    public static ShardFile shard(Path folder, int rank, String contents) throws IOException {
        Path file = folder.resolve("rank-%05d.safetensors".formatted(rank));
        Files.writeString(file, contents);
        return ShardFile.newBuilder()
                .setRank(rank)
                .setName(file.getFileName().toString())
                .setBytes(Files.size(file))
                .setSha256(sha256(Files.readAllBytes(file)))
                .build();
    }

    static CheckpointManifest manifest(long generation, long step, ShardFile file) {
        return CheckpointManifest.newBuilder()
                .setFormatVersion(1)
                .setGeneration(generation)
                .setStep(step)
                .setShardGroupSize(1)
                .setWorldSize(1)
                .addFiles(file)
                .build();
    }

    static Checkpoint checkpoint(RunDirectory directory, long generation, long step, String contents)
            throws IOException {
        ShardFile file = shard(directory.beginCheckpoint(step, generation, 100), contents);
        return directory.commit(manifest(generation, step, file));
    }

    /** Makes the folder of a model whose files are there and empty. */
    public static void export(Path folder) throws IOException {
        Files.createDirectory(folder);
        Files.createFile(folder.resolve("config.json"));
        Files.createFile(folder.resolve("model.safetensors"));
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}

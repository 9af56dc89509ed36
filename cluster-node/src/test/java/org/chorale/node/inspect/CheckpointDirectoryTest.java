// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CheckpointDirectoryTest {
    @TempDir
    private Path folder;

    @Test
    void aHybridRunHasMoreRanksThanWroteFiles() throws IOException {
        CheckpointDirectory checkpoint = checkpoint(manifest().setWorldSize(4));
        assertThat(checkpoint.lines())
                .contains("world size    4", "shard group   2", "whole         yes")
                .filteredOn(line -> line.contains("  rank "))
                .hasSize(2);
        assertThat(checkpoint.json().get("world_size").asInt()).isEqualTo(4);
        assertThat(checkpoint.json().get("shard_group_size").asInt()).isEqualTo(2);
    }

    @Test
    void aCheckpointFromBeforeTheWorldSizeWasRecordedIsWholeAndSaysSo() throws IOException {
        CheckpointDirectory checkpoint = checkpoint(manifest());
        assertThat(checkpoint.lines()).contains("world size    not recorded", "shard group   2", "whole         yes");
        assertThat(checkpoint.json().get("world_size").isNull()).isTrue();
    }

    /** Of two ranks that hold a copy between them. */
    private CheckpointManifest.Builder manifest() throws IOException {
        return CheckpointManifest.newBuilder()
                .setFormatVersion(ManifestFile.FORMAT_VERSION)
                .setStep(3)
                .setShardGroupSize(2)
                .addFiles(shard(0))
                .addFiles(shard(1));
    }

    private ShardFile shard(int rank) throws IOException {
        byte[] contents = {(byte) rank};
        String name = "rank-%05d.safetensors".formatted(rank);
        Files.write(folder.resolve(name), contents);
        return ShardFile.newBuilder()
                .setRank(rank)
                .setName(name)
                .setBytes(contents.length)
                .setSha256(sha256(contents))
                .build();
    }

    private static String sha256(byte[] contents) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(contents));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private CheckpointDirectory checkpoint(CheckpointManifest.Builder manifest) throws IOException {
        Files.write(folder.resolve(ManifestFile.NAME), manifest.build().toByteArray());
        return CheckpointDirectory.read(folder);
    }
}

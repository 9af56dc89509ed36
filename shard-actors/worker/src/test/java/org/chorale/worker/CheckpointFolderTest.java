// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;
import org.chorale.tensor.safetensors.WrittenFile;
import org.chorale.training.checkpoint.CheckpointWriter.WrittenShard;
import org.chorale.training.checkpoint.StoredBox;
import org.chorale.training.checkpoint.StoredFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Boxes come back from a manifest as they went into it. */
final class CheckpointFolderTest {
    private static final StoredBox BOX =
            new StoredBox("adam.m.w@10", "w", "adam.m", List.of(4L, 5L), List.of(2L, 0L), List.of(2L, 5L));

    @TempDir
    private Path folder;

    @Test
    void boxesSurviveTheManifest() throws IOException {
        write(PlanTranslation.file(
                1, "rank-00001.safetensors", new WrittenShard(new WrittenFile(9, "ab"), List.of(BOX))));
        assertThat(CheckpointFolder.files(folder))
                .containsExactly(new StoredFile(folder.resolve("rank-00001.safetensors"), List.of(BOX)));
    }

    @Test
    void aFileOutsideOfTheFolderIsRefused() throws IOException {
        write(ShardFile.newBuilder().setName("../rank-00000.safetensors").build());
        assertThatThrownBy(() -> CheckpointFolder.files(folder))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("'../rank-00000.safetensors' does not stay inside the folder");
    }

    private void write(ShardFile file) throws IOException {
        CheckpointManifest manifest = CheckpointManifest.newBuilder()
                .setFormatVersion(ManifestFile.FORMAT_VERSION)
                .addFiles(file)
                .build();
        Files.write(folder.resolve(ManifestFile.NAME), manifest.toByteArray());
    }
}

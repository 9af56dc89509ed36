// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ManifestFileTest {
    @TempDir
    private Path folder;

    @Test
    void aManifestIsReadAsItWasWritten() throws IOException {
        CheckpointManifest manifest = CheckpointManifest.newBuilder()
                .setFormatVersion(ManifestFile.FORMAT_VERSION)
                .setStep(12)
                .build();
        Files.write(folder.resolve("manifest.pb"), manifest.toByteArray());
        assertThat(ManifestFile.read(folder)).isEqualTo(manifest);
    }

    @Test
    void aManifestOfALaterReleaseIsRefusedWithItsVersion() throws IOException {
        Files.write(
                folder.resolve("manifest.pb"),
                CheckpointManifest.newBuilder().setFormatVersion(2).build().toByteArray());
        assertThatThrownBy(() -> ManifestFile.read(folder))
                .isInstanceOf(FaultException.class)
                .hasMessage(folder.resolve("manifest.pb") + " has format version 2, this release reads 1");
    }

    @Test
    void aFolderWithoutManifestIsNoCheckpoint() {
        assertThatThrownBy(() -> ManifestFile.read(folder))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("manifest.pb cannot be read");
    }

    @ParameterizedTest
    @CsvSource({
        "rank-00000.safetensors, true",
        "../rank, false",
        "a/b, false",
        "/etc/passwd, false",
        ".., false",
        ".hidden, false",
        "'', false"
    })
    void onlyNamesInTheFolderStayThere(String name, boolean stays) {
        assertThat(ManifestFile.staysInFolder(
                        ShardFile.newBuilder().setName(name).build()))
                .isEqualTo(stays);
    }
}

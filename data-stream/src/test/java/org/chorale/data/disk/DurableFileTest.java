// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DurableFileTest {
    @TempDir
    Path folder;

    @Test
    void aCommittedFileReplacesTheOldOneAndLeavesNothingBeside() throws IOException {
        Path target = folder.resolve("deep/er/file");
        Files.createDirectories(folder.resolve("deep/er"));
        Files.writeString(target, "old and longer");
        try (DurableFile file = DurableFile.begin(target)) {
            file.out().write("new".getBytes(StandardCharsets.UTF_8));
            assertThat(target).hasContent("old and longer");
            file.commit();
        }
        assertThat(target).hasContent("new");
        assertThat(folder.resolve("deep/er")).isDirectoryNotContaining("glob:**.tmp");
    }

    @Test
    void whatIsNotCommittedNeverAppears() throws IOException {
        Path target = folder.resolve("made/file");
        try (DurableFile file = DurableFile.begin(target)) {
            file.out().write(new byte[1 << 20]);
        }
        assertThat(folder.resolve("made")).isEmptyDirectory();
    }

    @Test
    void whatAKilledAttemptLeftIsOverwritten() throws IOException {
        Path target = folder.resolve("file");
        Files.writeString(folder.resolve("file.tmp"), "half of something long");
        try (DurableFile file = DurableFile.begin(target)) {
            file.out().write('x');
            file.commit();
        }
        assertThat(target).hasContent("x");
    }
}

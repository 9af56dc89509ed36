// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A short run of the diffusion recipe, whose model has no folder: what becomes of its weights. */
@Timeout(120)
final class OwnModelExportTest {
    private static final String RECIPE = Path.of(
                    Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
                    "deploy/recipes/moons.conf")
            .toString();

    private final Shell shell = new Shell();

    @TempDir
    Path folder;

    @BeforeEach
    void train() {
        assertThat(run("train", RECIPE, "--run-dir", "run", "run.steps=3", "parallel.isolation=in-process"))
                .as(shell::err)
                .isZero();
    }

    @Test
    void aCheckpointIsExportedAsTheRunExportsItAndInspected() {
        assertThat(run("export", "run", "out")).as(shell::err).isZero();
        assertThat(folder.resolve("out/model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("run/export/model.safetensors"));
        assertThat(folder.resolve("out")).isDirectoryNotContaining("glob:**.json");
        assertThat(run("inspect", "out")).as(shell::err).isZero();
        assertThat(shell.out()).contains("model.safetensors");
        assertThat(run("inspect", "run")).isZero();
        assertThat(shell.out()).contains(folder.resolve("run/export").toString());
    }

    @Test
    void whatNeedsAFolderIsRefusedByName() {
        assertThat(run("export", "run", "out", "--merge")).isEqualTo(2);
        assertThat(shell.err()).contains("--merge is for adapters").contains("a model of its own");
        assertThat(run("export", "run", "out", "--dtype", "bf16")).isEqualTo(2);
        assertThat(shell.err()).contains("--dtype is for models of a folder");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void theFinishedRunIsNotExportedAgain() throws Exception {
        Path weights = folder.resolve("run/export/model.safetensors");
        Object before = Files.getAttribute(weights, "unix:ino");
        train();

        assertThat(Files.getAttribute(weights, "unix:ino")).isEqualTo(before);
    }

    private int run(String... arguments) {
        return shell.run(folder, arguments);
    }
}

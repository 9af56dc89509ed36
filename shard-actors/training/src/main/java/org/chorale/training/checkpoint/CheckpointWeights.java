// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import com.google.errorprone.annotations.MustBeClosed;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/**
 * The weights of a checkpoint by name, whole, for who reads one after the other: an export needs neither the ranks that
 * wrote them nor memory for the model.
 */
public final class CheckpointWeights implements AutoCloseable {
    private final CheckpointFiles files;

    private CheckpointWeights(CheckpointFiles files) {
        this.files = files;
    }

    /**
     * Opens a checkpoint's files and reads their headers.
     *
     * @throws org.chorale.tensor.safetensors.InvalidFileException where files are malformed or do not make up a whole
     *     checkpoint
     * @throws org.chorale.tensor.safetensors.MissingFileException where a file does not exist
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // this owns the files and closes them
    public static CheckpointWeights open(List<StoredFile> files) {
        return new CheckpointWeights(CheckpointFiles.open(files));
    }

    /** Whether a parameter was trained; the checkpoint has no others. */
    public boolean has(String parameter) {
        return files.values().containsKey(StoredBox.valuesKey(StoredBox.WEIGHT, parameter));
    }

    /** The master weight of a parameter that was trained: in the open scope, and valid while this is open. */
    public Tensor tensor(String parameter) {
        return files.values(StoredBox.WEIGHT, parameter).tensor();
    }

    /** The shape of a parameter that was trained. */
    List<Long> shape(String parameter) {
        return files.values(StoredBox.WEIGHT, parameter).shape();
    }

    /** The fingerprint of what the run began with; empty where all of it was trained. */
    Optional<String> base() {
        return Optional.ofNullable(files.metadata().get(RankState.BASE));
    }

    /** In which the files are. */
    Path folder() {
        return files.folder();
    }

    @Override
    public void close() {
        files.close();
    }
}

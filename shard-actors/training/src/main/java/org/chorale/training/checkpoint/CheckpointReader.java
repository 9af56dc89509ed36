// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.UnitLayout.Segment;

/** Reads back what {@link CheckpointWriter} wrote, bit for bit. */
public final class CheckpointReader {
    private CheckpointReader() {}

    /**
     * Restores weights and optimizer state.
     *
     * @param file of this rank, in a committed checkpoint
     * @return optimizer steps done
     * @throws RuntimeException where the file is malformed, or lacks a tensor of the shard
     */
    public static long restore(Path file, ModelShard shard, AdamW optimizer) {
        try (SafetensorsFile stored = SafetensorsFile.open(file)) {
            List<FlatGroup> groups = shard.groups();
            for (int i = 0; i < groups.size(); i++) {
                for (Segment segment : groups.get(i).layout().segments()) {
                    copy(stored, StoredBox.WEIGHT, segment, groups.get(i).master());
                    copy(
                            stored,
                            StoredBox.FIRST_MOMENT,
                            segment,
                            optimizer.firstMoments().get(i));
                    copy(
                            stored,
                            StoredBox.SECOND_MOMENT,
                            segment,
                            optimizer.secondMoments().get(i));
                }
            }
            try (TensorScope scope = new TensorScope()) {
                optimizer.steps().copy_(stored.tensor(CheckpointWriter.STEPS));
            }
            String step = stored.metadata().get(CheckpointWriter.STEP);
            return Long.parseLong(Objects.requireNonNull(step, () -> file + ": its metadata has no step"));
        }
    }

    private static void copy(SafetensorsFile stored, String kind, Segment segment, Tensor flat) {
        try (TensorScope scope = new TensorScope()) {
            FlatGroup.view(flat, segment).copy_(stored.tensor(StoredBox.key(kind, segment.parameter())));
        }
    }
}

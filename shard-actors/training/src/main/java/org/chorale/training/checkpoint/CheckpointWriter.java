// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.tensor.safetensors.WrittenFile;

/**
 * Writes a rank's part of a checkpoint: its boxes of the weights that are trained and of their optimizer state, by
 * parameter name, in one safetensors file. Ranks that hold the same part write it once between them: those of the first
 * shard group do. Each has a file of its own, so that they write at the same time.
 *
 * <p>The file is durable when this returns. It becomes part of a checkpoint when the coordinator commits a manifest that
 * names it; until then nobody reads it.
 */
public final class CheckpointWriter {
    private CheckpointWriter() {}

    /** A file and the boxes in it. */
    public record WrittenShard(WrittenFile file, List<StoredBox> boxes) {}

    /**
     * Writes the file, whole or not at all.
     *
     * @param step optimizer steps done, skipped ones included
     * @throws java.io.UncheckedIOException where the disk refuses
     */
    public static WrittenShard write(Path file, RankState state, long step) {
        Map<String, String> metadata = new LinkedHashMap<>(SafetensorsWriter.DEFAULT_METADATA);
        metadata.put("chorale", "checkpoint");
        metadata.put(RankState.STEP, Long.toString(step));
        metadata.putAll(state.identity());
        try (TensorScope scope = new TensorScope()) {
            return new WrittenShard(SafetensorsWriter.write(file, state.tensors(), metadata), state.boxes());
        }
    }

    /** Bytes of the tensors that {@link #write} writes. */
    public static long tensorBytes(RankState state) {
        try (TensorScope scope = new TensorScope()) {
            return state.tensors().values().stream().mapToLong(Tensor::nbytes).sum();
        }
    }
}

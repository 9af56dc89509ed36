// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.tensor.safetensors.WrittenFile;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.UnitLayout.Segment;

/**
 * Writes a rank's part of a checkpoint: its weights and their optimizer state, by parameter name, in one safetensors
 * file.
 *
 * <p>The file is durable when this returns. It becomes part of a checkpoint when the coordinator commits a manifest that
 * names it; until then nobody reads it.
 */
public final class CheckpointWriter {
    /** AdamW's t, the steps that were not skipped, [1] fp32. */
    static final String STEPS = "adam.steps";

    /** Metadata: optimizer steps done, skipped ones included. */
    static final String STEP = "step";

    private CheckpointWriter() {}

    /** A file and the boxes in it. */
    public record WrittenShard(WrittenFile file, List<StoredBox> boxes) {}

    /**
     * Writes the file, whole or not at all.
     *
     * @param step optimizer steps done, skipped ones included
     * @throws java.io.UncheckedIOException where the disk refuses
     */
    public static WrittenShard write(Path file, ModelShard shard, AdamW optimizer, long step) {
        try (TensorScope scope = new TensorScope()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            List<StoredBox> boxes = new ArrayList<>();
            List<FlatGroup> groups = shard.groups();
            for (int i = 0; i < groups.size(); i++) {
                for (Segment segment : groups.get(i).layout().segments()) {
                    add(tensors, boxes, segment, StoredBox.WEIGHT, groups.get(i).master());
                    add(
                            tensors,
                            boxes,
                            segment,
                            StoredBox.FIRST_MOMENT,
                            optimizer.firstMoments().get(i));
                    add(
                            tensors,
                            boxes,
                            segment,
                            StoredBox.SECOND_MOMENT,
                            optimizer.secondMoments().get(i));
                }
            }
            tensors.put(STEPS, optimizer.steps());
            return new WrittenShard(SafetensorsWriter.write(file, tensors, metadata(step)), boxes);
        }
    }

    private static Map<String, String> metadata(long step) {
        return Map.of("format", "pt", "chorale", "checkpoint", STEP, Long.toString(step));
    }

    private static void add(
            Map<String, Tensor> tensors, List<StoredBox> boxes, Segment segment, String kind, Tensor flat) {
        StoredBox box = StoredBox.whole(segment.parameter(), kind, segment.shape());
        tensors.put(box.key(), FlatGroup.view(flat, segment));
        boxes.add(box);
    }
}

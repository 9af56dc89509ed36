// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.outline.UnitOutline;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.training.shard.ModelShard;

/** Writes the weights of a model that is no Hugging Face family: a folder with model.safetensors, by name. */
public final class WeightsExport {
    private static final String FILE = "model.safetensors";

    private WeightsExport() {}

    /** Writes weights as exactly as they are known; {@code out} appears whole or not at all. */
    public static void write(List<UnitOutline> units, ModelShard shard, Path out) {
        NewFolder.create(out, folder -> {
            try (TensorScope scope = new TensorScope()) {
                Map<String, Tensor> weights = new LinkedHashMap<>();
                units.forEach(unit -> unit.parameters()
                        .forEach(parameter -> weights.put(parameter.name(), shard.weight(parameter.name()))));
                SafetensorsWriter.write(folder.resolve(FILE), weights);
            }
        });
    }
}

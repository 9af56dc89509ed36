// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ParameterSource;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.tensor.safetensors.TensorSpec;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout;

/** Writes the weights of a model that is no Hugging Face family: a folder with model.safetensors, by name. */
public final class WeightsExport {
    private static final String FILE = "model.safetensors";

    private WeightsExport() {}

    /**
     * Writes weights as exactly as they are known, one after the other; {@code out} appears whole or not at all.
     *
     * @param source the model that was trained
     * @param weights of the parameters that were trained
     * @param precision of the run: what was not trained was drawn in it
     */
    public static void write(ParameterSource source, CheckpointWeights weights, Precision precision, Path out) {
        Map<String, ParameterOutline> parameters = new LinkedHashMap<>();
        source.units().forEach(unit -> unit.parameters().forEach(p -> parameters.put(p.name(), p)));
        List<TensorSpec> specs = parameters.values().stream()
                .map(parameter -> spec(parameter, precision))
                .toList();
        NewFolder.create(
                out,
                folder -> SafetensorsWriter.write(
                        folder.resolve(FILE),
                        specs,
                        name -> weights.has(name)
                                ? weights.tensor(name)
                                : first(source, Objects.requireNonNull(parameters.get(name)), precision),
                        SafetensorsWriter.DEFAULT_METADATA));
    }

    private static TensorSpec spec(ParameterOutline parameter, Precision precision) {
        StoredType dtype = UnitLayout.Group.heldType(parameter.trainable(), precision);
        return new TensorSpec(parameter.name(), dtype, parameter.shape());
    }

    private static Tensor first(ParameterSource source, ParameterOutline parameter, Precision precision) {
        Tensor flat = HostTensors.empty(precision.type(), parameter.elements());
        source.copyInto(parameter.name(), 0, parameter.elements(), flat);
        return flat.view(parameter.shape().stream().mapToLong(Long::longValue).toArray());
    }
}

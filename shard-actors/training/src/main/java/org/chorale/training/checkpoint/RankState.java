// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ParameterSource;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.UnitLayout.Slice;

/**
 * What of a rank outlives its process: its part of the master weights and of the optimizer's state, and, the same on all
 * ranks, the state that is not of a parameter.
 *
 * <p>Parameters that are not trained are no part of it. They are read, or drawn, again from the model folder, and a
 * checkpoint names the folder's fingerprint, so that another one is noticed.
 *
 * @param source where the first weights came from
 */
public record RankState(ParameterSource source, ModelShard shard, Optimizer optimizer, LossScale lossScale) {
    /** Metadata: optimizer steps done, skipped ones included. */
    static final String STEP = "step";

    /** Metadata: the update whose state a file holds, and the precision of the run. */
    static final String OPTIMIZER = "optimizer";

    static final String PRECISION = "precision";

    /** Metadata where something is frozen: what, and the fingerprint of the folder that has it. */
    static final String FROZEN = "frozen";

    static final String BASE = "base";

    /** In every file of a checkpoint, so that each can be understood alone, and the same in all. */
    static final List<String> METADATA = List.of(STEP, OPTIMIZER, PRECISION, FROZEN, BASE);

    /** Of master weights and of the optimizer's state in their shape. */
    StoredType dtype() {
        return shard.precision().master();
    }

    /** By the keys of a file; views into the buffers, made in the caller's scope. */
    Map<String, Tensor> tensors() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        forEachSlice((kind, slice, part) ->
                boxes(kind, slice).forEach(box -> put(tensors, box.key(), view(part, slice, box))));
        counters().forEach((key, counter) -> put(tensors, key, counter));
        return tensors;
    }

    /** Whose boxes those tensors are that have the shape of a parameter. */
    List<StoredBox> boxes() {
        List<StoredBox> boxes = new ArrayList<>();
        forEachSlice((kind, slice, part) -> boxes.addAll(boxes(kind, slice)));
        return boxes;
    }

    /** What all ranks together have in the shape of a parameter, by {@link StoredBox#valuesKey}. */
    Map<String, List<Long>> shapes() {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shard.groups().stream()
                .flatMap(group -> group.layout().segments().stream())
                .filter(segment -> segment.elements() > 0)
                .forEach(segment -> {
                    shapes.put(StoredBox.valuesKey(StoredBox.WEIGHT, segment.parameter()), segment.shape());
                    optimizer
                            .moments()
                            .keySet()
                            .forEach(kind ->
                                    shapes.put(StoredBox.valuesKey(kind, segment.parameter()), segment.shape()));
                });
        return shapes;
    }

    /** The state that is of no parameter, by its keys in a file. */
    Map<String, Tensor> counters() {
        Map<String, Tensor> counters = new LinkedHashMap<>(optimizer.counters());
        counters.putAll(lossScale.state());
        return counters;
    }

    /** What a run that goes on from a file must have in common with the one that wrote it. */
    Map<String, String> identity() {
        Map<String, String> identity = new LinkedHashMap<>();
        identity.put(OPTIMIZER, optimizer.type().word());
        identity.put(PRECISION, shard.precision().word());
        String frozen = shard.units().stream()
                .flatMap(unit -> unit.groups().stream())
                .filter(group -> !group.trainable())
                .flatMap(group -> group.layout().segments().stream())
                .map(segment -> segment.parameter())
                .collect(Collectors.joining(" "));
        if (!frozen.isEmpty()) {
            identity.put(FROZEN, frozen);
            identity.put(BASE, source.fingerprint());
        }
        return identity;
    }

    /** Takes what this rank holds of a parameter's weights, or of its state of one kind. */
    interface SliceConsumer {
        /** @param part of the flat buffer, [held] */
        void accept(String kind, Slice slice, Tensor part);
    }

    void forEachSlice(SliceConsumer consumer) {
        List<FlatGroup> groups = shard.groups();
        for (int i = 0; i < groups.size(); i++) {
            for (Slice slice : groups.get(i).layout().slices()) {
                consumer.accept(StoredBox.WEIGHT, slice, groups.get(i).master());
                int group = i;
                optimizer.moments().forEach((kind, flat) -> consumer.accept(kind, slice, flat.get(group)));
            }
        }
    }

    private static List<StoredBox> boxes(String kind, Slice slice) {
        return StoredBox.of(slice.segment().parameter(), kind, slice.segment().shape(), slice.from(), slice.until());
    }

    private static Tensor view(Tensor part, Slice slice, StoredBox box) {
        return part.narrow(0, slice.at() + box.from() - slice.from(), box.elements())
                .view(box.extent().stream().mapToLong(Long::longValue).toArray());
    }

    private static void put(Map<String, Tensor> tensors, String key, Tensor tensor) {
        if (tensors.put(key, tensor) != null) {
            throw new PipelineException(
                    key + ": a parameter's name that is that of other state in a checkpoint; rename the parameter");
        }
    }
}

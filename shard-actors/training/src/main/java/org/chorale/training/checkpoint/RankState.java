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
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.UnitLayout.Segment;

/**
 * What of a rank outlives its process: master weights, the optimizer's state and the loss scale's.
 *
 * <p>Parameters that are not trained are no part of it. They are read, or drawn, again from the model folder, and a
 * checkpoint names the folder's fingerprint, so that another one is noticed.
 *
 * @param source where the first weights came from
 */
public record RankState(ParameterSource source, ModelShard shard, Optimizer optimizer, LossScale lossScale) {
    /** Metadata: the update whose state a file holds, and the precision of the run. */
    static final String OPTIMIZER = "optimizer";

    static final String PRECISION = "precision";

    /** Metadata where something is frozen: what, and the fingerprint of the folder that has it. */
    static final String FROZEN = "frozen";

    static final String BASE = "base";

    /** By the keys of a file; views into the buffers, made in the caller's scope. */
    Map<String, Tensor> tensors() {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        forEachBox((box, segment, flat) -> tensors.put(box.key(), FlatGroup.view(flat, segment)));
        tensors.putAll(optimizer.counters());
        tensors.putAll(lossScale.state());
        return tensors;
    }

    /** Whose boxes those tensors are that have the shape of a parameter. */
    List<StoredBox> boxes() {
        List<StoredBox> boxes = new ArrayList<>();
        forEachBox((box, segment, flat) -> boxes.add(box));
        return boxes;
    }

    /** What a run that goes on from a file must have in common with the one that wrote it. */
    Map<String, String> identity() {
        Map<String, String> identity = new LinkedHashMap<>();
        identity.put(OPTIMIZER, optimizer.type().word());
        identity.put(PRECISION, shard.precision().word());
        String frozen = shard.parameters().values().stream()
                .filter(parameter -> !parameter.trainable())
                .map(parameter -> parameter.name())
                .collect(Collectors.joining(" "));
        if (!frozen.isEmpty()) {
            identity.put(FROZEN, frozen);
            identity.put(BASE, source.fingerprint());
        }
        return identity;
    }

    private interface BoxConsumer {
        void accept(StoredBox box, Segment segment, Tensor flat);
    }

    private void forEachBox(BoxConsumer consumer) {
        List<FlatGroup> groups = shard.groups();
        for (int i = 0; i < groups.size(); i++) {
            for (Segment segment : groups.get(i).layout().segments()) {
                consumer.accept(
                        box(segment, StoredBox.WEIGHT), segment, groups.get(i).master());
                int group = i;
                optimizer
                        .moments()
                        .forEach((kind, flat) -> consumer.accept(box(segment, kind), segment, flat.get(group)));
            }
        }
    }

    private static StoredBox box(Segment segment, String kind) {
        return StoredBox.whole(segment.parameter(), kind, segment.shape());
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;

/** What a reference made of sequences before a run, by their tokens and labels. */
record KnownScores(Map<List<Long>, Double> scores) implements ReferenceScores {
    /** By the reference alone, which nothing is trained beside. */
    static KnownScores of(ModelFolder folder, PreferenceConfig config, Stream<MicroBatch> batches) {
        Map<List<Long>, Double> known = new HashMap<>();
        try (ModelShard shard = ModelShard.frozen(folder, Precision.FP32, Device.CPU);
                ReferenceScores reference =
                        Reference.alone(folder, config).orElseThrow().over(shard)) {
            batches.forEach(batch -> {
                try (TensorScope scope = new TensorScope()) {
                    double[] found = new double[batch.sequences()];
                    reference.of(batch).<DoubleBuffer>createBuffer().get(found);
                    IntStream.range(0, found.length).forEach(i -> known.put(key(batch, i), found[i]));
                }
            });
        }
        return new KnownScores(known);
    }

    @Override
    public Tensor of(MicroBatch batch) {
        double[] found = IntStream.range(0, batch.sequences())
                .mapToDouble(i -> Objects.requireNonNull(scores.get(key(batch, i))))
                .toArray();
        return found.length == 0 ? Device.CPU.zeros(ScalarType.Double, 0) : Device.CPU.ofDoubles(found, found.length);
    }

    private static List<Long> key(MicroBatch batch, int sequence) {
        int from = sequence * batch.width();
        int until = from + (int) batch.lengths()[sequence];
        return Stream.of(batch.tokens(), batch.labels())
                .flatMap(values -> Arrays.stream(values, from, until).boxed())
                .toList();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.UnitLayout.Slice;

/**
 * Gradients as an optimizer takes them, divided and clipped, before it does: afterwards their buffers hold them divided on
 * the CPU, and as they were on a GPU.
 *
 * @param steps so many first ones are noted
 * @param noted by step and parameter
 */
record NotedGradients(List<FlatGroup> groups, int steps, List<Map<String, float[]>> noted) {
    NotedGradients(List<FlatGroup> groups, int steps) {
        this(groups, steps, new ArrayList<>());
    }

    void note(Tensor divisor) {
        if (noted.size() < steps) {
            Map<String, float[]> gradients = new TreeMap<>();
            groups.forEach(group -> note(gradients, group, divisor));
            noted.add(gradients);
        }
    }

    private static void note(Map<String, float[]> gradients, FlatGroup group, Tensor divisor) {
        try (TensorScope scope = new TensorScope()) {
            Tensor host = group.gradients().to(ScalarType.Float).div(divisor).cpu();
            float[] all = new float[(int) host.numel()];
            host.<FloatBuffer>createBuffer().get(all);
            for (Slice slice : group.layout().slices()) {
                gradients.put(slice.segment().parameter(), Arrays.copyOfRange(all, (int) slice.at(), (int)
                        (slice.at() + slice.elements())));
            }
        }
    }
}

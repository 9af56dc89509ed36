// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.training.shard.UnitLayout.Segment;

/**
 * One flat buffer of weights and one of gradients, both [elements] fp32; parameters are views into them, so that one
 * kernel, one copy or one collective serves all. Padding is zero and stays zero.
 */
public final class FlatGroup {
    private final UnitLayout.Group layout;
    private final Tensor values;
    private final Tensor gradients;
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();

    /** Allocates in host memory; {@code owner} frees it. */
    FlatGroup(UnitLayout.Group layout, HeldTensors owner) {
        this.layout = layout;
        try (TensorScope scope = new TensorScope()) {
            this.values = owner.hold(HostTensors.zeros(ScalarType.Float, layout.elements()));
            this.gradients = owner.hold(HostTensors.zeros(ScalarType.Float, layout.elements()));
            for (Segment segment : layout.segments()) {
                parameters.put(
                        segment.parameter(),
                        new Parameter(
                                segment.parameter(),
                                owner.hold(view(values, segment)),
                                owner.hold(view(gradients, segment))));
            }
        }
    }

    public Tensor values() {
        return values;
    }

    public Tensor gradients() {
        return gradients;
    }

    /** By name, in the buffer's order. */
    public Map<String, Parameter> parameters() {
        return parameters;
    }

    /** Where the parameters lie. */
    public UnitLayout.Group layout() {
        return layout;
    }

    /** A segment's part of a buffer with this layout, in the parameter's shape. */
    public static Tensor view(Tensor flat, Segment segment) {
        return flat.narrow(0, segment.offset(), segment.elements()).view(segment.extents());
    }
}

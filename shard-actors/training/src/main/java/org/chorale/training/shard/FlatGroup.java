// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ParameterSource;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.training.shard.UnitLayout.Segment;
import org.chorale.training.shard.UnitLayout.Slice;
import org.jspecify.annotations.Nullable;

/**
 * The flat buffers of parameters that are all trained, or all frozen, so that one kernel, one copy or one collective
 * serves all; parameters are views into them. All are [elements]; padding is zero and stays zero.
 *
 * <pre>
 *            master weights   gradients   values, which forward and backward read
 * trained    fp32             fp32        in the precision; in fp32 the master weights themselves
 * frozen     -                -           in the precision
 * </pre>
 */
public final class FlatGroup {
    private final UnitLayout.Group layout;
    private final Tensor values;
    private final @Nullable Tensor master;
    private final @Nullable Tensor gradients;
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();

    /** Allocates in host memory; {@code owner} frees it. */
    FlatGroup(UnitLayout.Group layout, HeldTensors owner) {
        this.layout = layout;
        try (TensorScope scope = new TensorScope()) {
            this.values = zeros(layout.precision().type(), owner);
            if (layout.trainable()) {
                this.master = layout.precision() == Precision.FP32 ? values : zeros(ScalarType.Float, owner);
                this.gradients = zeros(ScalarType.Float, owner);
            } else {
                this.master = null;
                this.gradients = null;
            }
            for (Segment segment : layout.segments()) {
                parameters.put(segment.parameter(), parameter(segment, owner));
            }
        }
    }

    private Tensor zeros(ScalarType type, HeldTensors owner) {
        return owner.hold(HostTensors.zeros(type, layout.elements()));
    }

    private Parameter parameter(Segment segment, HeldTensors owner) {
        return new Parameter(
                segment.parameter(),
                owner.hold(view(values, segment)),
                gradients == null ? null : owner.hold(view(gradients, segment)));
    }

    /** What forward and backward read. */
    public Tensor values() {
        return values;
    }

    /**
     * What the optimizer moves and a checkpoint keeps; {@link #refresh} takes a change over into the values.
     *
     * @throws IllegalStateException where the group is frozen
     */
    public Tensor master() {
        return trained(master);
    }

    /** @throws IllegalStateException where the group is frozen */
    public Tensor gradients() {
        return trained(gradients);
    }

    /** Rounds the master weights into the values. */
    public void refresh() {
        if (master != null && layout.precision() != Precision.FP32) {
            values.copy_(master);
        }
    }

    /** By name, in the buffer's order. */
    public Map<String, Parameter> parameters() {
        return parameters;
    }

    /** Where the parameters lie. */
    public UnitLayout.Group layout() {
        return layout;
    }

    public boolean trainable() {
        return layout.trainable();
    }

    /** A segment's part of a buffer with this layout, in the parameter's shape. */
    public static Tensor view(Tensor flat, Segment segment) {
        return flat.narrow(0, segment.offset(), segment.elements()).view(segment.extents());
    }

    /** Fills what this rank holds, in the dtype in which it holds it. */
    void fill(ParameterSource source) {
        for (Slice slice : layout.slices()) {
            try (TensorScope scope = new TensorScope()) {
                Tensor flat = master == null ? values : master;
                source.copyInto(
                        slice.segment().parameter(),
                        slice.from(),
                        slice.until(),
                        flat.narrow(0, slice.at(), slice.elements()));
            }
        }
        refresh();
    }

    /** A parameter as it is held: its master weight where it is trained. A view in the caller's scope. */
    Tensor held(Segment segment) {
        return view(master == null ? values : master, segment);
    }

    private Tensor trained(@Nullable Tensor buffer) {
        if (buffer == null) {
            throw new IllegalStateException("the group of " + parameters.keySet() + " is frozen");
        }
        return buffer;
    }
}

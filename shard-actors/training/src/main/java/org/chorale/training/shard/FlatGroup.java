// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ParameterSource;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.training.shard.UnitLayout.Segment;
import org.chorale.training.shard.UnitLayout.Slice;
import org.jspecify.annotations.Nullable;

/**
 * The flat buffers of parameters that are all trained, or all frozen, so that one kernel, one copy or one collective
 * serves all. Of each a rank holds its part, [held]; padding is zero and stays zero.
 *
 * <pre>
 *            master weights   gradients   values, which forward and backward read
 * trained    fp32             fp32        in the precision; where others hold parts, rounded whenever they are gathered
 * trained    = the values     fp32        in the precision, where it has no other master weights
 * frozen     -                -           in the precision
 * </pre>
 *
 * Where the part is the whole, parameters are views into values and gradients. Elsewhere they are views into whole
 * buffers that come and go, see {@link WholeBuffers}, and so does this rank's part of the gradients. There the values of
 * weights that linears read in FP8 may be FP8 too, made for each gather of what is held.
 */
public final class FlatGroup {
    private final UnitLayout.Group layout;
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private final @Nullable Tensor values; // null where they are rounded from the master weights for each gather
    private final @Nullable Tensor master;
    private final @Nullable Tensor gradients; // null where they come and go
    private final @Nullable WholeBuffers whole;
    private @Nullable Fp8Scales scales; // where parts are gathered in FP8

    /** Held by one rank. Allocates in host memory; {@code owner} frees it. */
    FlatGroup(UnitLayout.Group layout, HeldTensors owner) {
        this(layout, "alone", RankGroups.alone(), new BufferPool(Device.CPU, false), owner);
    }

    /**
     * Allocates where the pool does.
     *
     * @param unit of which this is a part
     * @param pool of whole buffers
     * @param owner frees what is held
     */
    FlatGroup(UnitLayout.Group layout, String unit, RankGroups ranks, BufferPool pool, HeldTensors owner) {
        this.layout = layout;
        for (Segment segment : layout.segments()) {
            String name = segment.parameter();
            parameters.put(
                    name,
                    new Parameter(name, unit, pool.device(), layout.precision().type(), layout.trainable()));
        }
        try (TensorScope scope = new TensorScope()) {
            Device device = pool.device();
            ScalarType type = layout.precision().type();
            boolean split = layout.held() < layout.elements();
            if (isGatheredInFp8() && ranks.gathering() == Gathering.ALWAYS) {
                throw new IllegalArgumentException(unit
                        + ": values that are there always are what linears make FP8 of, and are not gathered in it");
            }
            Tensor kept = split && ranks.gathering() == Gathering.ALWAYS
                    ? owner.hold(device.zeros(type, layout.elements()))
                    : null;
            this.values = held(kept, split, device, owner);
            if (layout.trainable()) {
                this.master = layout.precision().ownMaster()
                        ? Objects.requireNonNull(values)
                        : owner.hold(device.zeros(ScalarType.Float, layout.held()));
            } else {
                this.master = null;
            }
            this.gradients =
                    layout.trainable() && !split ? owner.hold(device.zeros(ScalarType.Float, layout.held())) : null;
            this.whole = split ? new WholeBuffers(this, kept, ranks, pool) : null;
            if (!split) {
                views(values, owner).forEach(Parameter::setValue);
                views(gradients, owner).forEach(Parameter::setGradient);
            }
        }
    }

    private @Nullable Tensor held(@Nullable Tensor kept, boolean split, Device device, HeldTensors owner) {
        if (kept != null) {
            return owner.hold(kept.narrow(0, layout.from(), layout.held()));
        }
        boolean rounded = split && layout.trainable() && !layout.precision().ownMaster();
        return rounded ? null : owner.hold(device.zeros(layout.precision().type(), layout.held()));
    }

    /** Each parameter's part of a whole buffer; none where there is no buffer. */
    Map<Parameter, Tensor> views(@Nullable Tensor flat, HeldTensors owner) {
        Map<Parameter, Tensor> views = new LinkedHashMap<>();
        if (flat != null) {
            try (TensorScope scope = new TensorScope()) {
                for (Segment segment : layout.segments()) {
                    views.put(parameter(segment), owner.hold(view(flat, segment)));
                }
            }
        }
        return views;
    }

    Parameter parameter(Segment segment) {
        return Objects.requireNonNull(parameters.get(segment.parameter()));
    }

    /**
     * This rank's part of what forward and backward read, where it is there between steps. Elsewhere each gather begins
     * with rounding the master weights: a copy of them would take half their memory.
     */
    public Optional<Tensor> values() {
        return Optional.ofNullable(values);
    }

    /**
     * What the optimizer moves and a checkpoint keeps; {@link #refresh} takes a change over into the values.
     *
     * @throws IllegalStateException where the group is frozen
     */
    public Tensor master() {
        return there(master, "is frozen");
    }

    /**
     * This rank's part of the gradients. Where others hold parts, it is there from the end of a step's backward until the
     * step ends.
     *
     * @throws IllegalStateException where the group is frozen, or it is not there
     */
    public Tensor gradients() {
        String otherwise = trainable() ? "has no gradients outside of a step" : "is frozen";
        return there(whole().flatMap(WholeBuffers::part).orElse(gradients), otherwise);
    }

    boolean hasGradients() {
        return gradients != null || whole().flatMap(WholeBuffers::part).isPresent();
    }

    /** Bytes of the gradients while they are there; 0 where the group is frozen. */
    long gradientBytes() {
        return trainable() ? Float.BYTES * layout.held() : 0;
    }

    /** Makes the gradients zero: those of parameters over this buffer, without a pass over it, before they are added to. */
    void clearGradients() {
        if (whole == null) {
            parameters.values().forEach(Parameter::clearGradient);
        } else {
            whole.releasePart();
        }
    }

    /** Nothing reads the gradients until they are cleared: memory that comes and goes is given back. */
    void releaseGradients() {
        whole().ifPresent(WholeBuffers::releasePart);
    }

    /** Zeroes the memory of parameters' gradients that nothing was added to, so that the buffer can be read as a whole. */
    void settleGradients() {
        parameters.values().forEach(Parameter::settleGradient);
    }

    /** Rounds the master weights into the values, which the other ranks get when they are gathered next. */
    public void refresh() {
        if (master != null && values != null && !layout.precision().ownMaster()) {
            try (TensorScope scope = new TensorScope()) {
                values.copy_(master);
            }
        }
        refreshed();
    }

    /** Says that the values are already those of the master weights, and no longer what the other ranks have gathered. */
    public void refreshed() {
        whole().ifPresent(WholeBuffers::expire);
        if (scales != null) {
            scales.expire();
        }
        parameters.values().forEach(Parameter::valueChanged);
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

    /** The tensors that are held whether the unit is open or not, each once, without gradients. */
    List<Tensor> held() {
        return Stream.of(
                        whole().flatMap(WholeBuffers::kept).orElse(values),
                        layout.precision().ownMaster() ? null : master)
                .flatMap(Stream::ofNullable)
                .toList();
    }

    /** The buffers that hold the other ranks' parts too; empty where there are none. */
    Optional<WholeBuffers> whole() {
        return Optional.ofNullable(whole);
    }

    /** A segment's part of a whole buffer with this layout, in the parameter's shape. */
    public static Tensor view(Tensor flat, Segment segment) {
        return flat.narrow(0, segment.offset(), segment.elements()).view(segment.extents());
    }

    /** Fills what this rank holds, in the dtype in which it holds it. */
    void fill(ParameterSource source) {
        for (Slice slice : layout.slices()) {
            try (TensorScope scope = new TensorScope()) {
                Tensor flat = weights();
                source.copyInto(
                        slice.segment().parameter(),
                        slice.from(),
                        slice.until(),
                        flat.narrow(0, slice.at(), slice.elements()));
            }
        }
        refresh();
    }

    /**
     * A parameter as it is held: its master weight where it is trained. A view in the caller's scope.
     *
     * @throws IllegalStateException where other ranks hold a part of the group
     */
    Tensor held(Segment segment) {
        if (whole != null) {
            throw new IllegalStateException("other ranks hold a part of " + segment.parameter());
        }
        return view(weights(), segment);
    }

    /** Whether whole values are FP8, gathered from what ranks make of their parts. */
    boolean isGatheredInFp8() {
        return layout.gatheredType() == StoredType.F8_E4M3;
    }

    /** Whom to ask for scales of values that are gathered in FP8. */
    void scaledBy(Fp8Scales by) {
        scales = by;
    }

    /** Those scales; empty where values are gathered in the dtype of the computation. */
    Optional<Fp8Scales> scales() {
        return Optional.ofNullable(scales);
    }

    /** What this rank holds of the weights, as exactly as it does. */
    Tensor weights() {
        return Objects.requireNonNull(master == null ? values : master);
    }

    private Tensor there(@Nullable Tensor buffer, String otherwise) {
        if (buffer == null) {
            throw new IllegalStateException("the group of " + parameters.keySet() + " " + otherwise);
        }
        return buffer;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.Optional;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.collective.Collectives.Pending;
import org.chorale.tensor.device.DeviceEvent;
import org.chorale.tensor.device.DeviceStream;
import org.jspecify.annotations.Nullable;

/**
 * The whole values and gradients, [elements], of a group of which this rank holds a part, while they are needed:
 * parameters are views into them.
 *
 * <p>Values are gathered from all ranks' parts. Gradients are what this rank alone has added up; reduced, every rank has
 * its part of the sum over all, [held], until the optimizer has used it:
 *
 * <pre>
 *                  micro-batch 1        micro-batch 2
 *             forward  backward      forward  backward      clip, optimizer
 * gradients            |--|                   |--|
 * part                    |--------------------- + ----------------|
 * </pre>
 */
final class WholeBuffers implements AutoCloseable {
    private final FlatGroup group;
    private final @Nullable Tensor kept; // values, where they are there always
    private final RankGroups ranks;
    private final BufferPool pool;
    private final HeldTensors valueViews = new HeldTensors();
    private final HeldTensors gradientViews = new HeldTensors();
    private @Nullable Tensor values;
    private @Nullable Tensor gradients;
    private @Nullable Tensor part; // of the gradients, reduced
    private @Nullable Pending gathering;
    private boolean gathered; // values are those of all parts

    WholeBuffers(FlatGroup group, @Nullable Tensor kept, RankGroups ranks, BufferPool pool) {
        this.group = group;
        this.kept = kept;
        this.ranks = ranks;
        this.pool = pool;
    }

    /** The values' buffer where it is there always. */
    Optional<Tensor> kept() {
        return Optional.ofNullable(kept);
    }

    /** Has the values fetched, unless they are there or on their way. */
    void beginGather() {
        if (!gathered && gathering == null) {
            group.scales().ifPresent(Fp8Scales::find);
            Tensor target = buffer();
            values = target;
            gathering = group.scales()
                    .map(scales -> gatherMade(target, part -> scales.quantise(group, part)))
                    .or(() -> group.values().map(part -> ranks.shard().allGather(target, part)))
                    .orElseGet(() -> gatherMade(target, part -> part.copy_(group.master())));
        }
    }

    /** Has this rank's place written, of the weights that it holds, beside what is computed meanwhile, and gathers from there. */
    private Pending gatherMade(Tensor target, Consumer<Tensor> rounding) {
        UnitLayout.Group layout = group.layout();
        try (TensorScope scope = new TensorScope();
                DeviceStream compute = DeviceStream.current(pool.device());
                DeviceEvent written = compute.record()) { // the weights, and what was in the buffer was read
            pool.aside().await(written);
            try (DeviceStream.Use beside = pool.aside().use()) {
                Tensor part = target.narrow(0, layout.from(), layout.held());
                rounding.accept(part);
                return ranks.shard().allGather(target, part);
            }
        }
    }

    /** Fetches the values and shows them to the parameters. */
    void openValues() {
        beginGather();
        Pending fetching = gathering;
        if (fetching != null) {
            gathering = null;
            fetching.await();
            gathered = true;
            group.views(values, valueViews).forEach(this::show);
        }
    }

    private void show(Parameter parameter, Tensor value) {
        group.scales()
                .ifPresentOrElse(
                        scales -> parameter.setValue(value, scales.inverse(parameter)),
                        () -> parameter.setValue(value));
    }

    /** Shows the gradients to the parameters: zero, or what earlier micro-batches have left. */
    void openGradients() {
        if (gradients == null) {
            try (TensorScope scope = new TensorScope()) {
                Tensor sum = take(ScalarType.Float);
                for (UnitLayout.Gap gap : group.layout().gaps()) {
                    sum.narrow(0, gap.from(), gap.elements()).zero_();
                }
                gradients = sum;
                group.views(sum, gradientViews).forEach(Parameter::setGradient);
                group.parameters().values().forEach(Parameter::clearGradient);
            }
        }
    }

    /** The values on this rank are no longer those of all parts. */
    void expire() {
        finishGather();
        gathered = false;
        hideValues();
    }

    /** Gives the values' buffer back, unless it is there always. */
    void releaseValues() {
        Tensor used = values;
        if (kept == null && used != null) {
            finishGather();
            gathered = false;
            hideValues();
            values = null;
            pool.give(used);
        }
    }

    /** Whether there are gradients that were not reduced. */
    boolean hasGradients() {
        return gradients != null;
    }

    /**
     * Begins to add the sum of all ranks' gradients to this rank's part.
     *
     * @return waits for the end of that
     */
    Pending reduceGradients() {
        Tensor sum = gradients;
        if (sum == null) {
            throw new IllegalStateException(
                    "no gradients of " + group.parameters().keySet() + " to reduce");
        }
        gradients = null;
        group.parameters().values().forEach(parameter -> parameter.setGradient(null));
        gradientViews.close();
        Tensor reduced = pool.take(ScalarType.Float, group.layout().held());
        Pending reducing = ranks.shard().reduceScatter(reduced, sum);
        return () -> {
            reducing.await();
            pool.give(sum);
            addToPart(reduced);
        };
    }

    private void addToPart(Tensor reduced) {
        Tensor before = part;
        if (before == null) {
            part = reduced;
            return;
        }
        try (TensorScope scope = new TensorScope()) {
            before.add_(reduced);
        }
        pool.give(reduced);
    }

    /** Says that nothing more is reduced: the part is zero where nothing was. */
    void completePart() {
        if (part == null) {
            try (TensorScope scope = new TensorScope()) {
                Tensor zeros = pool.take(ScalarType.Float, group.layout().held());
                part = zeros;
                zeros.zero_();
            }
        }
    }

    /** The part, while it is there. */
    Optional<Tensor> part() {
        return Optional.ofNullable(part);
    }

    /** Gives the part's buffer back, if it is there. */
    void releasePart() {
        Tensor used = part;
        if (used != null) {
            part = null;
            pool.give(used);
        }
    }

    boolean isGathering() {
        return gathering != null;
    }

    /** Waits for the end of a gather that has begun, good or bad. */
    void abandon() {
        try {
            finishGather();
        } catch (CollectiveException e) {
            hideValues(); // what the gather was to write is undefined
        }
    }

    /** Frees the views; the pool frees the buffers. Nothing may be on its way. */
    @Override
    public void close() {
        hideValues();
        gradientViews.close();
    }

    private void finishGather() {
        Pending fetching = gathering;
        if (fetching != null) {
            gathering = null;
            fetching.await();
        }
    }

    private void hideValues() {
        group.parameters().values().forEach(parameter -> parameter.setValue(null));
        valueViews.close();
    }

    private Tensor buffer() {
        Tensor own = kept == null ? values : kept;
        return own == null ? take(group.layout().gatheredType().scalarType().orElseThrow()) : own;
    }

    private Tensor take(ScalarType type) {
        return pool.take(type, group.layout().elements());
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.Units;
import org.chorale.model.outline.UnitOutline;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/** What a rank holds of a model: its units, and the model that computes with their parameters. */
public final class ModelShard implements AutoCloseable {
    private final RankGroups ranks;
    private final BufferPool pool;
    private final List<UnitLayout> plan;
    private final List<FsdpUnit> units = new ArrayList<>();
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private final UnitSchedule schedule;
    private final List<Fp8Scales> scales = new ArrayList<>();
    private final @Nullable Decoder model; // null where the model is a user's own

    /** Allocates by the plan what one rank holds alone, on the CPU; the weights are zero until they are loaded. */
    public ModelShard(ModelFolder folder, List<UnitLayout> plan) {
        this(folder, plan, RankGroups.alone(), Device.CPU);
    }

    /**
     * Allocates this rank's part by the plan; the weights are zero until they are loaded.
     *
     * @param ranks that share the model, closed by the caller after this
     * @param device that holds the part and computes
     */
    public ModelShard(ModelFolder folder, List<UnitLayout> plan, RankGroups ranks, Device device) {
        this(plan, ranks, new BufferPool(device, false), (parameters, use) -> folder.model(parameters, use));
    }

    /** Likewise, for a model that lives elsewhere. */
    public ModelShard(List<UnitLayout> plan, RankGroups ranks, Device device) {
        this(plan, ranks, new BufferPool(device, false), (parameters, use) -> null);
    }

    /** Likewise, with a pool of the caller's, which this closes. */
    ModelShard(
            List<UnitLayout> plan,
            RankGroups ranks,
            BufferPool pool,
            BiFunction<Function<String, Parameter>, Units, ? extends @Nullable Decoder> model) {
        this.plan = List.copyOf(plan);
        this.ranks = ranks;
        this.pool = pool;
        try {
            plan.forEach(layout -> units.add(new FsdpUnit(layout, ranks, pool)));
            units.forEach(unit -> unit.parameters().forEach(parameter -> parameters.put(parameter.name(), parameter)));
            this.schedule = new UnitSchedule(ranks, units);
            this.model = model.apply(this::parameter, schedule); // which says what is read as one
            scales.addAll(Fp8Scales.of(units, ranks.shard(), pool.device()));
        } catch (RuntimeException e) { // no memory: what was had is given back
            closeUnits();
            throw e;
        }
    }

    /** The whole model on one rank with its first weights, trained in fp32 outside any cluster. */
    public static ModelShard whole(ModelFolder folder, Device device) {
        return whole(folder, Precision.FP32, device);
    }

    /** Likewise in another format. */
    public static ModelShard whole(ModelFolder folder, Precision precision, Device device) {
        return loaded(folder, unit -> UnitLayout.whole(unit, precision), device);
    }

    /** The whole model on one rank with its first weights, for what only runs forward. */
    public static ModelShard frozen(ModelFolder folder, Precision precision, Device device) {
        return loaded(folder, unit -> UnitLayout.frozen(unit, precision), device);
    }

    private static ModelShard loaded(ModelFolder folder, Function<UnitOutline, UnitLayout> layout, Device device) {
        ModelShard shard =
                new ModelShard(folder, folder.units().stream().map(layout).toList(), RankGroups.alone(), device);
        try {
            shard.load(folder);
            return shard;
        } catch (RuntimeException e) { // a file that cannot be read: the buffers are given back
            shard.close();
            throw e;
        }
    }

    /** Reads, or draws, the first weights. */
    public void load(ParameterSource source) {
        units.forEach(unit -> unit.load(source));
    }

    /** What a checkpoint does not hold: the parameters that are not trained, from where they were first had. */
    public void loadFrozen(ParameterSource source) {
        units.forEach(unit -> unit.loadFrozen(source));
    }

    /** @throws IllegalStateException where the plan lacks a parameter that the model asks for */
    public Parameter parameter(String name) {
        return Optional.ofNullable(parameters.get(name)).orElseThrow(() -> missing(name));
    }

    private static IllegalStateException missing(String name) {
        return new IllegalStateException("the shard plan has no parameter " + name);
    }

    /** A parameter's weight as exactly as it is held: the master weight where it is trained. In the caller's scope. */
    public Tensor weight(String name) {
        return units.stream()
                .flatMap(unit -> unit.groups().stream())
                .flatMap(group -> group.layout().segments().stream()
                        .filter(segment -> segment.parameter().equals(name))
                        .map(group::held))
                .findFirst()
                .orElseThrow(() -> missing(name));
    }

    /** By name, in the order of the forward pass. */
    public Map<String, Parameter> parameters() {
        return parameters;
    }

    public List<FsdpUnit> units() {
        return Collections.unmodifiableList(units);
    }

    /** The flat buffers that are trained, unit by unit: what gradients are taken of and the optimizer moves. */
    public List<FlatGroup> groups() {
        return units.stream().flatMap(FsdpUnit::trainedGroups).toList();
    }

    /** The ranks that share the model. */
    public RankGroups ranks() {
        return ranks;
    }

    /** As code sees it that computes with the parameters. */
    public ShardView view() {
        return new ShardView(this::parameter, schedule, ranks.world(), device());
    }

    /**
     * Begins a step with gradients of zero.
     *
     * @param microBatches that follow, the same number on all ranks
     */
    public void beginStep(int microBatches) {
        schedule.beginStep(microBatches);
    }

    /** After a step's last micro-batch; then each rank's gradients are its part of the sum over all ranks. */
    public void endBackward() {
        schedule.endBackward();
    }

    /** Once nothing reads the step's gradients any more; those that come and go are freed. */
    public void endStep() {
        schedule.endStep();
    }

    /** Bytes of the weights that this rank holds between steps: its part of values and master weights. */
    public long parameterBytes() {
        return units.stream()
                .flatMap(unit -> unit.groups().stream())
                .flatMap(group -> group.held().stream())
                .mapToLong(Tensor::nbytes)
                .sum();
    }

    /** Bytes of this rank's part of the gradients, once a step has all of them. */
    public long gradientBytes() {
        return groups().stream().mapToLong(FlatGroup::gradientBytes).sum();
    }

    /** Bytes of those that are there now. */
    public long presentGradientBytes() {
        return groups().stream()
                .filter(FlatGroup::hasGradients)
                .mapToLong(FlatGroup::gradientBytes)
                .sum();
    }

    /** The most bytes that whole buffers, and gradients that come and go, took at once, beside what is held. */
    public long peakBufferBytes() {
        return pool.peakBytes();
    }

    /**
     * What they will take.
     *
     * @param accumulates whether a step may have several micro-batches
     */
    public BufferForecast forecast(boolean accumulates) {
        return new BufferForecast(plan, ranks, accumulates);
    }

    /** That holds this rank's part and computes. */
    public Device device() {
        return pool.device();
    }

    /** In which all units compute. */
    public Precision precision() {
        return units.get(0).groups().get(0).layout().precision();
    }

    /** @throws IllegalStateException where the model is a user's own */
    public Decoder model() {
        Decoder own = model;
        if (own == null) {
            throw new IllegalStateException("this shard holds the parameters of a model that lives elsewhere");
        }
        return own;
    }

    @Override
    public void close() {
        if (model != null) {
            model.close();
        }
        if (schedule.isBusy()) { // a step has failed in the middle: the peers would wait for this rank in vain
            ranks.abort();
            schedule.abandon();
        }
        closeUnits();
    }

    private void closeUnits() {
        units.forEach(FsdpUnit::close);
        scales.forEach(Fp8Scales::close);
        pool.close();
    }
}

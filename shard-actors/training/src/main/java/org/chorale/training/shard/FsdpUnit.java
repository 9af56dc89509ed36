// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.model.ParameterSource;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.device.Device;

/**
 * A sharding unit as one rank holds it: a transformer block, or what stands before and after the blocks.
 *
 * <p>Between its uses a rank holds its part of the unit alone. For a forward the values of all parts are gathered; for a
 * backward they are gathered again, and the gradients that all ranks have added up are reduced to the parts:
 *
 * <pre>
 * announce ... open  compute  close     announce ... openForBackward  compute  closeAfterBackward
 * |--gather----|              release   |--gather----|                         release, reduce ...
 * </pre>
 */
public final class FsdpUnit implements AutoCloseable {
    private final String name;
    private final HeldTensors owner = new HeldTensors();
    private final List<FlatGroup> groups;
    private final List<WholeBuffers> gathered; // empty where this rank holds all of the unit
    private final List<WholeBuffers> reduced; // likewise, of the groups that are trained

    /** Allocates what one rank holds alone; weights and gradients are zero. */
    public FsdpUnit(UnitLayout layout) {
        this(layout, RankGroups.alone(), new BufferPool(Device.CPU, false));
    }

    /** Allocates the unit's parts; the weights are zero. */
    FsdpUnit(UnitLayout layout, RankGroups ranks, BufferPool pool) {
        this.name = layout.name();
        try {
            this.groups = layout.groups().stream()
                    .map(group -> new FlatGroup(group, name, ranks, pool, owner))
                    .toList();
        } catch (RuntimeException e) { // no memory: what was had is given back
            owner.close();
            throw e;
        }
        this.gathered = whole(groups.stream());
        this.reduced = whole(trainedGroups());
    }

    private static List<WholeBuffers> whole(Stream<FlatGroup> groups) {
        return groups.map(FlatGroup::whole).flatMap(Optional::stream).toList();
    }

    /** Reads, or draws, the unit's first weights. */
    public void load(ParameterSource source) {
        groups.forEach(group -> group.fill(source));
    }

    /** Likewise, but only of parameters that are not trained. */
    public void loadFrozen(ParameterSource source) {
        groups.stream().filter(group -> !group.trainable()).forEach(group -> group.fill(source));
    }

    /** Before the first micro-batch of a step. */
    void clearGradients() {
        trainedGroups().forEach(FlatGroup::clearGradients);
    }

    /** After the optimizer has used the gradients. */
    void releaseGradients() {
        trainedGroups().forEach(FlatGroup::releaseGradients);
    }

    /** Has the values fetched that an {@link #open} will wait for. */
    void beginGather() {
        gathered.forEach(WholeBuffers::beginGather);
    }

    /** From here on the values can be read. */
    void open() {
        beginGather();
        gathered.forEach(WholeBuffers::openValues);
    }

    /** From here on the gradients can be added to. */
    void openGradients() {
        reduced.forEach(WholeBuffers::openGradients);
    }

    /** Gives the values' buffers back. */
    void releaseValues() {
        gathered.forEach(WholeBuffers::releaseValues);
    }

    boolean isGathering() {
        return gathered.stream().anyMatch(WholeBuffers::isGathering);
    }

    /** Waits for the end of a gather that has begun, good or bad. */
    void abandon() {
        gathered.forEach(WholeBuffers::abandon);
    }

    public String name() {
        return name;
    }

    public List<FlatGroup> groups() {
        return groups;
    }

    /** Those that have gradients. */
    public Stream<FlatGroup> trainedGroups() {
        return groups.stream().filter(FlatGroup::trainable);
    }

    /** All parameters, in the order of the buffers. */
    public Stream<Parameter> parameters() {
        return groups.stream().map(FlatGroup::parameters).map(Map::values).flatMap(parameters -> parameters.stream());
    }

    @Override
    public void close() {
        gathered.forEach(WholeBuffers::close);
        parameters().forEach(parameter -> parameter.setValue(null)); // and with it what was made of it
        owner.close();
    }
}

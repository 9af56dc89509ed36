// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.chorale.model.ParameterSource;
import org.chorale.model.layer.Parameter;
import org.chorale.tensor.HeldTensors;

/**
 * A sharding unit as one rank holds it: a transformer block, or what stands before and after the blocks.
 *
 * <p>On the one rank that there is, the shard is the whole unit.
 */
public final class FsdpUnit implements AutoCloseable {
    private final String name;
    private final HeldTensors owner = new HeldTensors();
    private final List<FlatGroup> groups;

    /** Allocates the unit's buffers; weights and gradients are zero. */
    public FsdpUnit(UnitLayout layout) {
        this.name = layout.name();
        try {
            this.groups = layout.groups().stream()
                    .map(group -> new FlatGroup(group, owner))
                    .toList();
        } catch (RuntimeException e) { // no memory: what was had is given back
            owner.close();
            throw e;
        }
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
    public void zeroGradients() {
        trainedGroups().forEach(group -> group.gradients().zero_());
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
        owner.close();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.Parameter;
import org.chorale.model.llama.LlamaModel;

/** What a rank holds of a model: its units, and the model that computes with their parameters. */
public final class ModelShard implements AutoCloseable {
    private final List<FsdpUnit> units = new ArrayList<>();
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private final LlamaModel model;

    /** Allocates by the plan; the weights are zero until they are loaded. */
    public ModelShard(ModelFolder folder, List<UnitLayout> plan, boolean recompute) {
        try {
            plan.forEach(layout -> units.add(new FsdpUnit(layout)));
            units.forEach(unit -> unit.parameters().forEach(parameter -> parameters.put(parameter.name(), parameter)));
            this.model = folder.model(this::parameter, recompute);
        } catch (RuntimeException e) { // no memory: what was had is given back
            units.forEach(FsdpUnit::close);
            throw e;
        }
    }

    /** The whole model on one rank with its first weights, for commands that run outside any cluster. */
    public static ModelShard whole(ModelFolder folder) {
        ModelShard shard = new ModelShard(
                folder, folder.units().stream().map(UnitLayout::whole).toList(), false);
        shard.load(folder);
        return shard;
    }

    /** Reads, or draws, the first weights. */
    public void load(ModelFolder folder) {
        units.forEach(unit -> unit.load(folder));
    }

    /** @throws IllegalStateException where the plan lacks a parameter that the model asks for */
    public Parameter parameter(String name) {
        return Optional.ofNullable(parameters.get(name))
                .orElseThrow(() -> new IllegalStateException("the shard plan has no parameter " + name));
    }

    /** By name, in the order of the forward pass. */
    public Map<String, Parameter> parameters() {
        return parameters;
    }

    public List<FsdpUnit> units() {
        return Collections.unmodifiableList(units);
    }

    /** All flat buffers, unit by unit. */
    public List<FlatGroup> groups() {
        return units.stream().flatMap(unit -> unit.groups().stream()).toList();
    }

    public LlamaModel model() {
        return model;
    }

    @Override
    public void close() {
        model.close();
        units.forEach(FsdpUnit::close);
    }
}

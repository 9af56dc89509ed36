// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.chorale.model.layer.Adapters;
import org.chorale.model.layer.LowRank;
import org.chorale.model.layer.Magnitude;
import org.chorale.model.layer.Parameter;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;

/** A LoRA adapter on a certain model: which linears carry one, of which rank, and what else is trained. */
public final class LoraAdapter {
    private final LoraConfig config;
    private final Map<String, LoraModule> modules; // by the linear's name, in the order of the forward pass

    private final Set<String> own; // names of all A, B and lengths

    private LoraAdapter(LoraConfig config, Map<String, LoraModule> modules) {
        this.config = config;
        this.modules = modules;
        this.own = modules.values().stream()
                .flatMap(module -> module.parameters().stream())
                .map(ParameterOutline::name)
                .collect(Collectors.toUnmodifiableSet());
    }

    /**
     * Finds the targets.
     *
     * @param linears of the model, in the order of the forward pass
     * @throws IllegalArgumentException where the model has nothing of what is named, or it cannot be adapted: a line
     *     per problem
     */
    static LoraAdapter on(LoraConfig config, List<LinearOutline> linears, List<UnitOutline> units) {
        List<String> problems = new ModuleNames(config, linears, units).problems();
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
        TargetRule rule = new TargetRule(config);
        Map<String, LoraModule> modules = new LinkedHashMap<>();
        linears.stream()
                .filter(linear -> rule.adapts(linear.module(), linear.head()))
                .forEach(linear -> modules.put(linear.module(), rule.module(linear)));
        return new LoraAdapter(config, modules);
    }

    public LoraConfig config() {
        return config;
    }

    /** In the order of the forward pass. */
    public List<LoraModule> modules() {
        return List.copyOf(modules.values());
    }

    /** The low-rank part of the linear that has this weight, if it has one. */
    public Optional<LoraModule> ofWeight(String parameter) {
        return parameter.endsWith(".weight")
                ? Optional.ofNullable(modules.get(parameter.substring(0, parameter.length() - ".weight".length())))
                : Optional.empty();
    }

    /** The model's units with the adapter's parameters in those of their linears; of the others few are trained. */
    public List<UnitOutline> units(List<UnitOutline> base) {
        return base.stream().map(this::unit).toList();
    }

    /**
     * What an adapter file holds, by the names of {@link #units}: the low-rank parts, the modules to save, and the base's
     * weight of an adapted head.
     */
    public List<ParameterOutline> stored(List<UnitOutline> units) {
        return units.stream()
                .flatMap(unit -> unit.parameters().stream())
                .filter(parameter ->
                        isOwn(parameter.name()) || config.saves(parameter.name()) || isKeptBase(parameter.name()))
                .toList();
    }

    /**
     * Whether a parameter is the base's own weight under an adapted head. PEFT saves it with the adapter where the targets
     * name an embedding or a head: an element of their list, or anywhere in their expression.
     */
    public boolean isKeptBase(String parameter) {
        return ofWeight(parameter).filter(module -> module.linear().head()).isPresent()
                && config.targets().namesAnEnd();
    }

    /** Whether a parameter is A or B of a linear, or the lengths of its rows. */
    public boolean isOwn(String parameter) {
        return own.contains(parameter);
    }

    /** The adapted linears over parameters that somebody else owns. */
    public Adapters over(Function<String, Parameter> parameters) {
        return name -> {
            LoraModule module = modules.get(name);
            return module == null ? null : lowRank(module, parameters);
        };
    }

    private LowRank lowRank(LoraModule module, Function<String, Parameter> parameters) {
        return new LowRank(
                parameters.apply(module.down().name()),
                parameters.apply(module.up().name()),
                module.rank(),
                module.scale(),
                config.dropout(),
                module.dora()
                        ? new Magnitude(
                                parameters.apply(module.magnitude().name()),
                                module.linear().outputs())
                        : null);
    }

    private UnitOutline unit(UnitOutline base) {
        List<ParameterOutline> parameters = new ArrayList<>();
        List<ParameterOutline> own = new ArrayList<>();
        for (ParameterOutline parameter : base.parameters()) {
            parameters.add(config.saves(parameter.name()) ? parameter : parameter.frozen());
            ofWeight(parameter.name()).ifPresent(module -> own.addAll(module.parameters()));
        }
        parameters.addAll(own);
        return new UnitOutline(base.name(), parameters);
    }
}

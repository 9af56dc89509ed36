// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.adapter.AdapterSource;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.Parameter;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.ShardView;

/**
 * The model that a policy is compared with, over the same shard: it reads what is frozen of the policy's own parameters,
 * and a frozen copy with its first value of whatever is trained. An adapter that begins as nothing is left out instead.
 *
 * @param adapted whether it has the adapter that the run begins with
 * @param copied the policy's parameters that it has copies of
 */
public record Reference(ModelFolder folder, boolean adapted, Set<String> copied) {
    /** Before the name of a copy, and of the unit that it is in. */
    private static final String PREFIX = "reference.";

    /** Empty where a loss compares with nothing. */
    public static Optional<Reference> of(ModelFolder folder, PreferenceConfig config) {
        boolean adapted = isAdapted(folder, config);
        return config.comparison() == PreferenceConfig.Reference.NONE
                ? Optional.empty()
                : Optional.of(new Reference(folder, adapted, copied(folder, adapted)));
    }

    /** The same where nothing is trained: it has copies of nothing. */
    public static Optional<Reference> alone(ModelFolder folder, PreferenceConfig config) {
        return config.comparison() == PreferenceConfig.Reference.NONE
                ? Optional.empty()
                : Optional.of(new Reference(folder, isAdapted(folder, config), Set.of()));
    }

    private static boolean isAdapted(ModelFolder folder, PreferenceConfig config) {
        return config.comparison() == PreferenceConfig.Reference.INITIAL
                && folder.adapter()
                        .filter(adapter -> !adapter.beginsAsNothing())
                        .isPresent();
    }

    private static Set<String> copied(ModelFolder folder, boolean adapted) {
        return folder.units().stream()
                .flatMap(unit -> read(folder, adapted, unit))
                .filter(ParameterOutline::trainable)
                .map(ParameterOutline::name)
                .collect(Collectors.toUnmodifiableSet());
    }

    /** What the reference reads of a unit. */
    private static Stream<ParameterOutline> read(ModelFolder folder, boolean adapted, UnitOutline unit) {
        Optional<AdapterSource> left = folder.adapter().filter(adapter -> !adapted);
        return unit.parameters().stream()
                .filter(parameter -> left.filter(source -> source.adapter().isOwn(parameter.name()))
                        .isEmpty());
    }

    /** The policy's parameters, and behind them the copies, in units of their own. */
    public ParameterSource beside(ParameterSource policy) {
        return new ReferenceSource(policy, copies(), PREFIX);
    }

    private List<UnitOutline> copies() {
        return folder.units().stream()
                .map(unit -> new UnitOutline(
                        PREFIX + unit.name(),
                        unit.parameters().stream()
                                .filter(parameter -> copied.contains(parameter.name()))
                                .map(parameter ->
                                        new ParameterOutline(PREFIX + parameter.name(), parameter.shape(), false))
                                .toList()))
                .filter(unit -> !unit.parameters().isEmpty())
                .toList();
    }

    /** Whether a unit of {@link #beside} has copies. */
    public boolean isCopy(String unit) {
        return unit.startsWith(PREFIX);
    }

    /** Tells what it computes from others: its first weights, without an adapter that it does without. */
    public String fingerprint() {
        return adapted ? folder.fingerprint() : folder.baseFingerprint();
    }

    /**
     * What it makes of sequences.
     *
     * @param shard of what {@link #beside} says; closed by the caller, after what this returns
     */
    public ReferenceScores over(ModelShard shard) {
        return new ReferenceModel(this, shard);
    }

    /** The reference over a shard of {@link #beside}. It only runs forward. */
    Decoder model(ShardView shard) {
        Function<String, Parameter> parameters = name -> shard.parameter(copied.contains(name) ? PREFIX + name : name);
        ReferenceUnits units = new ReferenceUnits(shard.units(), sources());
        return adapted ? folder.model(parameters, units) : folder.base(parameters, units);
    }

    /** Of each of the reference's units, those of the shard that have its parameters. */
    private Map<String, List<String>> sources() {
        Map<String, List<String>> sources = new LinkedHashMap<>();
        for (UnitOutline unit : folder.units()) {
            sources.put(
                    unit.name(),
                    read(folder, adapted, unit)
                            .map(parameter -> copied.contains(parameter.name()) ? PREFIX + unit.name() : unit.name())
                            .distinct()
                            .toList());
        }
        return sources;
    }
}

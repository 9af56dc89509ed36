// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.model.adapter.ModuleSelection;
import org.chorale.model.outline.NamePattern;

/**
 * The keys below {@code model.adapter}; their meanings stand in chorale-defaults.conf.
 *
 * @param type whether there is an adapter
 * @param path a PEFT folder to go on from, which then has the say over everything else but the name
 * @param name of the adapter in a folder of several
 * @param targets empty for every linear but the head
 */
public record AdapterConfig(
        Type type,
        Optional<Path> path,
        Optional<String> name,
        Optional<Integer> rank,
        Optional<Double> alpha,
        Optional<Double> dropout,
        List<String> targets,
        Optional<String> targetPattern,
        List<String> excludes,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern,
        Optional<Boolean> rslora,
        Optional<Boolean> dora,
        List<String> modulesToSave,
        List<Integer> layers,
        Optional<LoraConfig.Initialize> initialize,
        Optional<Integer> pissaIterations) {
    /** PEFT's. */
    private static final int DEFAULT_RANK = 8;

    private static final double DEFAULT_ALPHA = 8;
    private static final String KEY = "model.adapter.";

    /** In PEFT a name is a module's, which has no dots; default is that of the adapter in the folder itself. */
    private static final NamePattern NAME = NamePattern.regex("[A-Za-z0-9_-]{1,64}");

    private static final String UNNAMED = "default";

    /** Whether there is an adapter. */
    public enum Type {
        NONE,
        LORA
    }

    /** @throws IllegalArgumentException a line per problem, each beginning with its key */
    public AdapterConfig {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("rank", rank);
        values.put("alpha", alpha);
        values.put("dropout", dropout);
        values.put("targets", targets);
        values.put("target-pattern", targetPattern);
        values.put("excludes", excludes);
        values.put("rank-pattern", rankPattern);
        values.put("alpha-pattern", alphaPattern);
        values.put("rslora", rslora);
        values.put("dora", dora);
        values.put("modules-to-save", modulesToSave);
        values.put("layers", layers);
        values.put("initialize", initialize);
        values.put("pissa-iterations", pissaIterations);
        List<String> problems = new ArrayList<>();
        if (type == Type.NONE) {
            values.put("path", path);
            values.put("name", name);
            refuseSet(values, "is set, but model.adapter.type = none: make it lora, or leave this out", problems);
        } else if (path.isPresent()) {
            refuseSet(values, "is set, but the folder model.adapter.path says it: leave this out", problems);
        }
        if (targetPattern.isPresent() && !targets.isEmpty()) {
            problems.add("model.adapter.targets and model.adapter.target-pattern are both set: give one");
        }
        name.filter(chosen -> !NAME.matches(chosen))
                .ifPresent(chosen -> problems.add(
                        KEY + "name = " + chosen + ": must have 1 to 64 letters, digits, hyphens and underscores"));
        layers.stream()
                .filter(layer -> layer < 0)
                .forEach(layer -> problems.add(KEY + "layers has " + layer + ": must be whole numbers from 0"));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** @throws IllegalArgumentException a line per problem, each beginning with its key */
    void check() {
        try {
            lora();
        } catch (IllegalArgumentException e) {
            String message = String.valueOf(e.getMessage());
            throw new IllegalArgumentException(KEY + message.replace("\n", "\n" + KEY));
        }
    }

    /** The key {@code model.adapter.name} alone, for whoever reads and writes folders. */
    public record Place(Optional<String> name) {
        /** Where the adapter lies in a folder that may hold several, as PEFT lays them out. */
        public Path in(Path folder) {
            return name.filter(chosen -> !chosen.equals(UNNAMED))
                    .map(folder::resolve)
                    .orElse(folder);
        }
    }

    /** Where the adapter lies in a folder that may hold several. */
    Path in(Path folder) {
        return new Place(name).in(folder);
    }

    /** What a new adapter is to be. */
    LoraConfig lora() {
        return new LoraConfig(
                rank.orElse(DEFAULT_RANK),
                alpha.orElse(DEFAULT_ALPHA),
                dropout.orElse(0.0),
                selection(),
                ModuleSelection.suffixes(excludes),
                rankPattern,
                alphaPattern,
                rslora.orElse(false),
                dora.orElse(false),
                modulesToSave,
                layers,
                List.of(),
                initialize.orElse(LoraConfig.Initialize.UNIFORM),
                pissaIterations);
    }

    private ModuleSelection selection() {
        if (targetPattern.isPresent()) {
            return ModuleSelection.matching(pattern(targetPattern.get()));
        }
        boolean all = targets.isEmpty() || targets.equals(List.of(ModuleSelection.EVERY_LINEAR));
        return all ? ModuleSelection.ALL_LINEAR : ModuleSelection.suffixes(targets);
    }

    private static NamePattern pattern(String expression) {
        try {
            return NamePattern.regex(expression);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("target-pattern = " + e.getMessage(), e);
        }
    }

    private static void refuseSet(Map<String, Object> values, String why, List<String> problems) {
        Set<Object> unset = Set.of(Optional.empty(), List.of(), Map.of());
        for (String key : new TreeSet<>(values.keySet())) {
            if (!unset.contains(values.get(key))) {
                problems.add(KEY + key + " " + why);
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import com.google.re2j.Matcher;
import com.google.re2j.Pattern;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.NamePattern;

/** PEFT's rules for which linears are adapted, and with which rank and alpha ({@code check_target_module_exists}). */
final class TargetRule {
    private static final Pattern ANY_LAYER = Pattern.compile("^.*?\\.[^.]*\\.(\\d+)\\.");

    private final LoraConfig config;
    private final List<Pattern> layers;
    private final Map<NamePattern, Integer> ranks;
    private final Map<NamePattern, Double> alphas;

    TargetRule(LoraConfig config) {
        this.config = config;
        this.layers = config.layersPattern().isEmpty()
                ? List.of(ANY_LAYER)
                : config.layersPattern().stream()
                        .map(pattern -> NamePattern.regex(pattern).toString())
                        .map(pattern -> Pattern.compile("^.*?\\.(?:" + pattern + ")\\.(\\d+)\\."))
                        .toList();
        this.ranks = compiled(config.rankPattern());
        this.alphas = compiled(config.alphaPattern());
    }

    boolean adapts(String module, boolean head) {
        return !config.excludes().selects(module, false)
                && config.modulesToSave().stream().noneMatch(saved -> ModuleNames.isInside(module, saved))
                && config.targets().selects(module, head)
                && (config.layersToTransform().isEmpty()
                        || config.targets().suffixes().contains(module)
                        || isInLayer(module));
    }

    LoraModule module(LinearOutline linear) {
        int rank = first(ranks, linear.module(), config.rank());
        double alpha = first(alphas, linear.module(), config.alpha());
        double scale = config.rslora() ? alpha / Math.sqrt((double) rank) : alpha / rank;
        return new LoraModule(linear, rank, scale, config.dora());
    }

    private boolean isInLayer(String module) {
        for (Pattern pattern : layers) {
            Matcher layer = pattern.matcher(module);
            if (layer.find()) {
                String number = layer.group(1);
                return number.length() < 10 && config.layersToTransform().contains(Integer.parseInt(number));
            }
        }
        return false;
    }

    /** As PEFT's {@code get_pattern_key}: a key matches the end of a name, from the beginning or from a dot on. */
    private static <V> Map<NamePattern, V> compiled(Map<String, V> patterns) {
        Map<NamePattern, V> compiled = new LinkedHashMap<>();
        patterns.forEach((key, value) -> compiled.put(NamePattern.regex("(.*\\.)?(" + key + ")"), value));
        return compiled;
    }

    private static <V> V first(Map<NamePattern, V> patterns, String module, V otherwise) {
        return patterns.entrySet().stream()
                .filter(entry -> entry.getKey().matches(module))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(otherwise);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.chorale.training.pipeline.ComponentConfig;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LearnableParameter;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossCalculator.Part;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.LossOutput.Mean;
import org.chorale.training.pipeline.LossOutput.Term;
import org.chorale.training.pipeline.NamedTensors;

/** The losses of a composite one, with names of their own: a second MseLoss is MseLoss_2. */
final class LossParts {
    private static final String TERMS = "terms";
    private static final Set<String> TERMS_KEYS = Set.of(TERMS);
    private static final Set<String> TERM_KEYS = Set.of("type", "config", "weight");
    private static final int MAX_PARTS = 1_000;

    private final List<Part> parts;
    private final List<String> names = new ArrayList<>();

    private LossParts(List<Part> parts) {
        this.parts = parts;
        Map<String, Integer> seen = new HashMap<>();
        for (Part part : parts) {
            String name = part.loss().name();
            int count = seen.merge(name, 1, Integer::sum);
            names.add(count == 1 ? name : name + "_" + count);
        }
    }

    static LossParts of(List<Part> parts) {
        if (parts.isEmpty() || parts.size() > MAX_PARTS) {
            throw new IllegalArgumentException("%d terms: there must be 1 to %d".formatted(parts.size(), MAX_PARTS));
        }
        for (Part part : parts) {
            if (!Double.isFinite(part.weight())) {
                throw new IllegalArgumentException("the weight %s of %s must be a number"
                        .formatted(part.weight(), part.loss().name()));
            }
        }
        return new LossParts(List.copyOf(parts));
    }

    static LossParts read(Config config) {
        List<Part> parts = new ArrayList<>();
        LossKeys.refuseOthers(config, TERMS_KEYS);
        for (Config term : config.getConfigList(TERMS)) {
            LossKeys.refuseOthers(term, TERM_KEYS);
            Optional<Config> inner = term.hasPath("config") ? Optional.of(term.getConfig("config")) : Optional.empty();
            LossCalculator loss = new ComponentConfig(term.getString("type"), inner)
                    .build("%s[%d]".formatted(TERMS, parts.size()), LossCalculator.class);
            parts.add(new Part(loss, term.hasPath("weight") ? term.getDouble("weight") : 1));
        }
        return of(parts);
    }

    Config config() {
        List<Map<String, Object>> terms = new ArrayList<>();
        for (Part part : parts) {
            ComponentConfig component = ComponentConfig.of(part.loss());
            terms.add(Map.of(
                    "type", component.type(),
                    "config",
                            component
                                    .config()
                                    .orElseGet(ConfigFactory::empty)
                                    .root()
                                    .unwrapped(),
                    "weight", part.weight()));
        }
        return ConfigFactory.parseMap(Map.of(TERMS, terms));
    }

    int size() {
        return parts.size();
    }

    Part get(int index) {
        return parts.get(index);
    }

    String name(int index) {
        return names.get(index);
    }

    LossOutput compute(int index, NamedTensors outputs, Context context) {
        return parts.get(index).loss().compute(outputs, context);
    }

    /** The part's name where it has one term, else both. */
    String termName(int index, LossOutput output, Term term) {
        return output.terms().size() == 1 ? names.get(index) : names.get(index) + "." + term.name();
    }

    /** Each term as it is without its factor, and what the loss reports by itself. */
    Map<String, Mean> metrics(int index, LossOutput output) {
        Map<String, Mean> metrics = new LinkedHashMap<>();
        output.terms()
                .forEach(term -> metrics.put(
                        termName(index, output, term), new Mean(term.sum().detach(), term.weight())));
        output.metrics().forEach((name, mean) -> metrics.put(names.get(index) + "." + name, mean));
        return metrics;
    }

    /** The losses that are no composites themselves, with the product of their factors. */
    List<Part> flattened() {
        return parts.stream()
                .flatMap(part -> part.loss().parts().stream()
                        .map(inner -> new Part(inner.loss(), part.weight() * inner.weight())))
                .toList();
    }

    List<LearnableParameter> parameters() {
        return parts.stream().flatMap(part -> part.loss().parameters().stream()).toList();
    }
}

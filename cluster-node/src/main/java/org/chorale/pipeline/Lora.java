// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/** Low-rank adapters beside linears (Hu et al. 2021, arXiv 2106.09685); the keys below {@code model.adapter} explain them. */
public final class Lora {
    private static final String ADAPTER = "model.adapter.";
    private static final Lora NEW = new Lora(Keys.NONE.with(ADAPTER + "type", "lora"));

    private final Keys keys;

    private Lora(Keys keys) {
        this.keys = keys;
    }

    public static Lora rank(int rank) {
        return NEW.with("rank", rank);
    }

    /** Goes on from a PEFT folder, which says all but the adapter's name. */
    public static Lora from(Path folder) {
        return NEW.with("path", folder);
    }

    /** The adapter's sub-folder in a folder of several, that it is read from and exported to. */
    public Lora named(String name) {
        return with("name", name);
    }

    /** What the adapter adds is scaled by alpha / rank. */
    public Lora alpha(double alpha) {
        return with("alpha", alpha);
    }

    /** Share of the adapters' inputs that are dropped in training. */
    public Lora dropout(double share) {
        return with("dropout", share);
    }

    /** What the adapter adds is scaled by alpha / sqrt(rank) instead (rsLoRA, arXiv 2312.03732). */
    public Lora rsLora() {
        return with("rslora", true);
    }

    /** Trains the lengths of the adapted weights' rows apart from their directions (DoRA, arXiv 2402.09353). */
    public Lora dora() {
        return with("dora", true);
    }

    /** A begins with normal values of deviation 1 / rank. */
    public Lora gaussian() {
        return with("initialize", "gaussian");
    }

    /** A and B begin as the principal parts of the weights (PiSSA, arXiv 2404.02948). */
    public Lora pissa() {
        return with("initialize", "pissa");
    }

    /** Likewise by a randomised decomposition, which is faster; 4 to 16 iterations are usual. */
    public Lora pissa(int iterations) {
        return pissa().with("pissa-iterations", iterations);
    }

    /** Which linears, by the ends of their names; all but the head where neither this nor a pattern says it. */
    public Lora on(String... linears) {
        return with("targets", Arrays.asList(linears));
    }

    /** Which linears, by a regular expression (RE2) for whole names. */
    public Lora onMatching(String pattern) {
        return with("target-pattern", pattern);
    }

    /** Which of these are left out, by the ends of their names. */
    public Lora except(String... linears) {
        return with("excludes", Arrays.asList(linears));
    }

    /** Numbers of the layers whose linears are adapted. */
    public Lora layers(int... numbers) {
        return with("layers", Arrays.stream(numbers).boxed().toList());
    }

    /** Other ranks by regular expressions (RE2) for the ends of names. */
    public Lora rankPattern(Map<String, Integer> ranks) {
        return with("rank-pattern", Map.copyOf(ranks));
    }

    /** Other alphas, likewise. */
    public Lora alphaPattern(Map<String, Double> alphas) {
        return with("alpha-pattern", Map.copyOf(alphas));
    }

    /** Modules that are trained as a whole and saved with the adapter, by the ends of their names. */
    public Lora modulesToSave(String... modules) {
        return with("modules-to-save", Arrays.asList(modules));
    }

    Keys keys() {
        return keys;
    }

    private Lora with(String key, Object value) {
        return new Lora(keys.with(ADAPTER + key, value));
    }
}

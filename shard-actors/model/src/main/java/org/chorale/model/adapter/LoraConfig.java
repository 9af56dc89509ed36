// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.model.outline.NamePattern;

/**
 * How a model is adapted by LoRA: y = W x + b + s·B(A·drop(x)) on the targets, everything else frozen; with dora the rows
 * are scaled to trained lengths, too.
 *
 * @param rank r, rows of A and columns of B
 * @param alpha s is alpha ÷ r, and with rslora alpha ÷ √r (Kalajdzievski 2023, arXiv 2312.03732)
 * @param dropout share of A's inputs that are dropped in training
 * @param targets the linears that are adapted
 * @param excludes and those that are not, although they are targets
 * @param rankPattern other ranks, by regular expressions for the ends of names; the first that matches counts
 * @param alphaPattern other alphas likewise
 * @param dora whether the lengths of the adapted weights' rows are trained apart (Liu et al. 2024, arXiv 2402.09353)
 * @param modulesToSave modules that are trained as a whole, by the ends of their names
 * @param layersToTransform where there are any: targets in other layers are left out
 * @param layersPattern what the number of a layer may come after, such as {@code layers}; anything where there is none
 * @param pissaIterations subspace iterations of a randomised decomposition; where empty, {@link Initialize#PISSA} is exact
 */
public record LoraConfig(
        int rank,
        double alpha,
        double dropout,
        ModuleSelection targets,
        ModuleSelection excludes,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern,
        boolean rslora,
        boolean dora,
        List<String> modulesToSave,
        List<Integer> layersToTransform,
        List<String> layersPattern,
        Initialize initialize,
        Optional<Integer> pissaIterations) {
    /** Beyond this a low rank is none. */
    public static final int MAX_RANK = 65_536;

    /** More only refine what converged long before. */
    private static final int MAX_ITERATIONS = 1000;

    /** What an adapter begins with. Unless it is said otherwise B is zero, so that it begins as nothing. */
    public enum Initialize {
        /** A from U(−1/√I, 1/√I), I the inputs. */
        UNIFORM,
        /** A from N(0, 1/r²), r the rank. */
        GAUSSIAN,
        /** The weight's largest singular values and their vectors, of which the weight keeps the rest (arXiv 2404.02948). */
        PISSA
    }

    /** @throws IllegalArgumentException a line per problem, each beginning with the component as a key is written */
    public LoraConfig {
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
        modulesToSave = List.copyOf(modulesToSave);
        layersToTransform = List.copyOf(layersToTransform);
        layersPattern = List.copyOf(layersPattern);
        List<String> problems = new ArrayList<>();
        checkRank("rank", rank, problems);
        checkAlpha("alpha", alpha, problems);
        rankPattern.forEach((pattern, other) -> {
            checkPattern("rank-pattern", pattern, problems);
            checkRank("rank-pattern." + pattern, other, problems);
        });
        alphaPattern.forEach((pattern, other) -> {
            checkPattern("alpha-pattern", pattern, problems);
            checkAlpha("alpha-pattern." + pattern, other, problems);
        });
        if (!(dropout >= 0 && dropout < 1)) {
            problems.add("dropout = " + dropout + ": must be from 0 to below 1");
        }
        if (pissaIterations.isPresent()) {
            checkIterations(initialize, pissaIterations.get(), problems);
        }
        if (!layersToTransform.isEmpty() && targets.pattern() != null) {
            problems.add("layers: cannot be given together with a target pattern; let the pattern say which layers");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Every linear of the blocks adapted alike, without dropout: what most adapters are. */
    public static LoraConfig allLinear(int rank, double alpha) {
        return new LoraConfig(
                rank,
                alpha,
                0,
                ModuleSelection.ALL_LINEAR,
                ModuleSelection.NOTHING,
                Map.of(),
                Map.of(),
                false,
                false,
                List.of(),
                List.of(),
                List.of(),
                Initialize.UNIFORM,
                Optional.empty());
    }

    /** The same, but that share of inputs is dropped in training. */
    public LoraConfig dropping(double share) {
        return new LoraConfig(
                rank,
                alpha,
                share,
                targets,
                excludes,
                rankPattern,
                alphaPattern,
                rslora,
                dora,
                modulesToSave,
                layersToTransform,
                layersPattern,
                initialize,
                pissaIterations);
    }

    /** Whether a parameter is trained as a whole, in a copy of its own. */
    public boolean saves(String parameter) {
        return modulesToSave.stream().anyMatch(saved -> ModuleNames.isInside(parameter, saved));
    }

    private static void checkPattern(String key, String pattern, List<String> problems) {
        try {
            NamePattern.regex(pattern);
        } catch (IllegalArgumentException e) {
            problems.add(key + "." + e.getMessage());
        }
    }

    private static void checkIterations(Initialize initialize, int iterations, List<String> problems) {
        if (initialize != Initialize.PISSA) {
            problems.add("pissa-iterations = %d: only initialize = pissa reads it".formatted(iterations));
        } else if (iterations < 0 || iterations > MAX_ITERATIONS) {
            problems.add(
                    "pissa-iterations = %d: must be a whole number from 0 to %d".formatted(iterations, MAX_ITERATIONS));
        }
    }

    private static void checkRank(String key, int rank, List<String> problems) {
        if (rank < 1 || rank > MAX_RANK) {
            problems.add("%s = %d: must be a whole number from 1 to %d".formatted(key, rank, MAX_RANK));
        }
    }

    private static void checkAlpha(String key, double alpha, List<String> problems) {
        if (!(alpha > 0) || Double.isInfinite(alpha)) {
            problems.add("%s = %s: must be a number above 0".formatted(key, alpha));
        }
    }
}

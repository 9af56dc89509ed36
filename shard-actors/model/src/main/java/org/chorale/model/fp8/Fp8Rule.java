// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.NearestName;

/**
 * Which linears of a model have FP8 factors: those of its blocks, but for some. A head never has.
 *
 * @param exclude linears by the ends of their names
 * @param excludeLayers numbers of layers, none of whose linears
 * @param gather whether ranks that hold parts of their weights give each other those in FP8
 */
public record Fp8Rule(Fp8Scaling scaling, List<String> exclude, List<Integer> excludeLayers, boolean gather) {
    private static final Pattern LAYER = Pattern.compile("\\.layers\\.(\\d{1,9})\\.");

    public Fp8Rule {
        exclude = List.copyOf(exclude);
        excludeLayers = List.copyOf(excludeLayers);
        if (gather && scaling != Fp8Scaling.TENSOR) {
            throw new IllegalArgumentException("a weight with a scale for each row is not gathered in FP8:"
                    + " its transpose has other scales, which only the bf16 values tell");
        }
    }

    /** Where weights are gathered in the dtype of the computation. */
    public Fp8Rule(Fp8Scaling scaling, List<String> exclude, List<Integer> excludeLayers) {
        this(scaling, exclude, excludeLayers, false);
    }

    /**
     * The names of the linears.
     *
     * @param linears all of the model
     * @throws IllegalArgumentException where a rule matches nothing, a linear cannot have such factors, or none is left: a
     *     line per problem
     */
    public Set<String> of(List<LinearOutline> linears) {
        List<String> problems = new ArrayList<>();
        checkNames(linears, problems);
        checkLayers(linears, problems);
        List<LinearOutline> chosen = linears.stream()
                .filter(linear -> !linear.head() && !isExcluded(linear.module()))
                .toList();
        if (chosen.isEmpty()) {
            problems.add("fp8.exclude and fp8.exclude-layers leave no linear: leave some, or set fp8.scaling = none");
        }
        chosen.stream().filter(linear -> !fits(linear)).forEach(linear -> problems.add(misfit(linear)));
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
        Set<String> names = new LinkedHashSet<>();
        chosen.forEach(linear -> names.add(linear.module()));
        return names;
    }

    private void checkNames(List<LinearOutline> linears, List<String> problems) {
        List<String> names = linears.stream().map(LinearOutline::module).toList();
        for (String end : exclude) {
            if (names.stream().noneMatch(name -> endsWith(name, end))) {
                problems.add("fp8.exclude = %s: ends the name of no linear; the nearest is %s"
                        .formatted(end, NearestName.amongEnds(end, names)));
            }
        }
    }

    private void checkLayers(List<LinearOutline> linears, List<String> problems) {
        int last = linears.stream()
                .mapToInt(linear -> layer(linear.module()))
                .max()
                .orElse(-1);
        for (int layer : excludeLayers) {
            if (layer < 0 || layer > last) {
                problems.add("fp8.exclude-layers = %d: the model has the layers 0 to %d".formatted(layer, last));
            }
        }
    }

    private boolean isExcluded(String module) {
        return excludeLayers.contains(layer(module)) || exclude.stream().anyMatch(end -> endsWith(module, end));
    }

    private static boolean fits(LinearOutline linear) {
        return linear.inputs() % QuantiseKernel.ROWS == 0 && linear.outputs() % QuantiseKernel.ROWS == 0;
    }

    private static String misfit(LinearOutline linear) {
        return "fp8.scaling: %s reads %d numbers and gives %d, and FP8 takes multiples of %d: name it in fp8.exclude"
                .formatted(linear.module(), linear.inputs(), linear.outputs(), QuantiseKernel.ROWS);
    }

    /** −1 outside of layers. */
    private static int layer(String module) {
        Matcher layer = LAYER.matcher(module);
        return layer.find() ? Integer.parseInt(layer.group(1)) : -1;
    }

    private static boolean endsWith(String module, String end) {
        return module.equals(end) || module.endsWith("." + end);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.chorale.model.adapter.LoraConfig.Initialize;
import org.chorale.model.outline.LinearOutline;
import org.chorale.model.outline.NearestName;
import org.chorale.model.outline.UnitOutline;

/** Compares the modules that an adapter names with those that the model has. */
final class ModuleNames {
    private final LoraConfig config;
    private final List<LinearOutline> linears;
    private final Set<String> modules = new LinkedHashSet<>(); // all of the model's, blocks included
    private final boolean tied;

    ModuleNames(LoraConfig config, List<LinearOutline> linears, List<UnitOutline> units) {
        this.config = config;
        this.linears = linears;
        List<String> parameters = units.stream()
                .flatMap(unit -> unit.parameters().stream())
                .map(parameter -> parameter.name())
                .toList();
        for (String parameter : parameters) {
            for (int dot = parameter.lastIndexOf('.'); dot > 0; dot = parameter.lastIndexOf('.', dot - 1)) {
                modules.add(parameter.substring(0, dot));
            }
        }
        this.tied =
                linears.stream().anyMatch(linear -> linear.head() && !parameters.contains(linear.module() + ".weight"));
    }

    /** Whether a module or parameter is, or lies in, a module to save; PEFT does not ask for a dot before its name. */
    static boolean isInside(String name, String saved) {
        for (int end = name.indexOf('.'); end >= 0; end = name.indexOf('.', end + 1)) {
            if (name.substring(0, end).endsWith(saved)) {
                return true;
            }
        }
        return name.endsWith(saved);
    }

    /** Everything that is wrong, a line each; empty where nothing is. */
    List<String> problems() {
        List<String> problems = new ArrayList<>();
        List<String> linearNames = linears.stream().map(LinearOutline::module).toList();
        for (String target : config.targets().suffixes()) {
            if (linearNames.stream().noneMatch(linear -> ModuleSelection.endsWith(linear, target))) {
                problems.add(isModule(target) ? noLinear(target) : unknownTarget(target, linearNames));
            }
        }
        for (String saved : config.modulesToSave()) {
            checkSaved(saved, problems);
        }
        if (problems.isEmpty()) {
            checkTargets(problems);
        }
        return problems;
    }

    private void checkSaved(String saved, List<String> problems) {
        if (modules.stream().noneMatch(module -> isInside(module, saved))) {
            problems.add(unknown("module to save", saved, NearestName.amongEnds(saved, modules)));
        }
    }

    private void checkTargets(List<String> problems) {
        TargetRule rule = new TargetRule(config);
        List<LinearOutline> adapted = linears.stream()
                .filter(linear -> rule.adapts(linear.module(), linear.head()))
                .toList();
        if (adapted.isEmpty()) {
            problems.add("no linear of the model is a target");
        }
        for (LinearOutline linear : adapted) {
            if (linear.head() && tied) {
                problems.add("target " + linear.module()
                        + ": is the embedding too (tie_word_embeddings), and the two cannot be adapted apart");
            } else if (linear.head() && config.dropout() > 0) {
                problems.add("target " + linear.module() + ": the head is computed on some rows only, without dropout;"
                        + " set dropout to 0 or leave it out");
            }
            checkPrincipal(rule.module(linear), problems);
        }
        modules.stream()
                .filter(module -> config.targets().pattern() != null && rule.adapts(module, false))
                .filter(module ->
                        linears.stream().noneMatch(linear -> linear.module().equals(module)))
                .map(ModuleNames::noLinear)
                .forEach(problems::add);
    }

    private void checkPrincipal(LoraModule module, List<String> problems) {
        long most = Math.min(module.linear().inputs(), module.linear().outputs());
        if (config.initialize() == Initialize.PISSA && module.rank() > most) {
            problems.add(
                    "target %s: has %d singular values, fewer than its rank %d; make that smaller, or begin uniform"
                            .formatted(module.linear().module(), most, module.rank()));
        }
    }

    private boolean isModule(String target) {
        return modules.stream().anyMatch(module -> ModuleSelection.endsWith(module, target));
    }

    private static String noLinear(String target) {
        return "target " + target + ": is no linear, and only linears can be adapted";
    }

    private static String unknownTarget(String target, List<String> linears) {
        if (target.equals(ModuleSelection.EVERY_LINEAR)) {
            return "target " + target + ": stands for every linear but the head, and must be the only target";
        }
        List<String> known = List.of(NearestName.amongEnds(target, linears), ModuleSelection.EVERY_LINEAR);
        return unknown("target", target, NearestName.to(target, known));
    }

    private static String unknown(String what, String name, String nearest) {
        return "%s %s: the model has no such module; the nearest is %s".formatted(what, name, nearest);
    }
}

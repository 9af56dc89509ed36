// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.chorale.model.ModelFolder;
import org.chorale.model.ParameterSource;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.proto.config.ConfigReader;
import org.chorale.training.AutogradSource;
import org.chorale.training.LossSource;
import org.chorale.training.ModelConfig;
import org.chorale.training.PipelineAssembly;
import org.chorale.training.contract.ContractException;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.pipeline.AutogradModel;
import org.chorale.training.pipeline.Component;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.DataShape;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.pipeline.LossCalculator.Part;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.training.pipeline.Stages;

/** A pipeline in lines of text: the model and its parameters, the flow of tensors, and what becomes of the contracts. */
final class PipelineDrawing {
    private static final String DOWN = "  │";
    private static final String ARROW = "  ▼";

    private final PipelineAssembly assembly;
    private final Config config;
    private final List<String> lines = new ArrayList<>();

    private PipelineDrawing(PipelineAssembly assembly, Config config) {
        this.assembly = assembly;
        this.config = config;
    }

    static String draw(String runConf, LocalComponents local) {
        PipelineConfig pipeline = ConfigReader.read(runConf, PipelineConfig.KEY, PipelineConfig.class);
        CrossEntropySettings loss = ConfigReader.read(runConf, "loss", CrossEntropySettings.class);
        DataShape data = ConfigReader.read(runConf, DataShape.KEY, DataShape.class);
        PipelineDrawing drawing = new PipelineDrawing(
                PipelineAssembly.parts(pipeline, loss, data, local), ConfigFactory.parseString(runConf));
        drawing.model(runConf);
        drawing.flow();
        drawing.contracts();
        return String.join("\n", drawing.lines) + "\n";
    }

    private void model(String runConf) {
        Optional<AutogradModel> own = assembly.model();
        String what = own.map(PipelineDrawing::called)
                .orElseGet(() -> config.getString("model.path") + " (" + config.getString("model.initialize") + ")");
        lines.add("Model       " + what);
        try (ParameterSource source = source(runConf, own)) {
            List<ParameterOutline> parameters = source.units().stream()
                    .flatMap(unit -> unit.parameters().stream())
                    .toList();
            long total =
                    parameters.stream().mapToLong(ParameterOutline::elements).sum();
            long trainable = parameters.stream()
                    .filter(ParameterOutline::trainable)
                    .mapToLong(ParameterOutline::elements)
                    .sum();
            lines.add(String.format(
                    Locale.ROOT,
                    "Parameters  %,d total, %,d trainable, %,d frozen",
                    total,
                    trainable,
                    total - trainable));
        }
        lines.add("");
    }

    private ParameterSource source(String runConf, Optional<AutogradModel> own) {
        long seed = config.getLong("run.seed");
        if (own.isEmpty()) {
            ModelFolder folder =
                    ConfigReader.read(runConf, "model", ModelConfig.class).open(seed);
            return new LossSource(folder, assembly.stages().loss().parameters(), seed);
        }
        ModelConfig.Freezes freezes = ConfigReader.read(runConf, "model", ModelConfig.Freezes.class);
        return new LossSource(
                new AutogradSource(own.get(), freezes.freezing(), seed),
                assembly.stages().loss().parameters(),
                seed);
    }

    private void flow() {
        Stages stages = assembly.stages();
        stage("Data", "", stages.data().contract());
        for (int i = 0; i < stages.preprocessors().size(); i++) {
            Component component = stages.preprocessors().get(i);
            stage("PreProcessor " + (i + 1), called(component), component.contract());
        }
        model(stages);
        for (int i = 0; i < stages.postprocessors().size(); i++) {
            Component component = stages.postprocessors().get(i);
            stage("PostProcessor " + (i + 1), called(component), component.contract());
        }
        loss(stages);
    }

    private void stage(String kind, String component, String contract) {
        lines.add("  " + (kind + "  " + component).strip());
        lines.add(DOWN + "    " + contractOrNone(contract));
        lines.add(ARROW);
    }

    private void model(Stages stages) {
        String name = "Model  " + stages.modelName();
        String contract = contractOrNone(stages.modelContract());
        int width = Math.max(name.length(), contract.length()) + 2;
        lines.add("  ╔" + "═".repeat(width) + "╗");
        lines.add("  ║ " + padded(name, width - 2) + " ║");
        lines.add("  ║ " + padded(contract, width - 2) + " ║");
        lines.add("  ╚" + "═".repeat(width) + "╝");
        lines.add(DOWN);
        lines.add(ARROW);
    }

    private void loss(Stages stages) {
        lines.add("  Loss  " + stages.loss().name());
        for (Part part : stages.loss().parts()) {
            lines.add("    • %s × %s".formatted(part.weight(), called(part.loss())));
            lines.add("        " + contractOrNone(part.loss().contract()));
        }
        stages.loss().parameters().forEach(parameter -> lines.add("    • learns " + parameter.name()));
        lines.add("");
    }

    private void contracts() {
        Stages stages = assembly.stages();
        List<String> problems = problems(stages);
        String mode = stages.contracts().name().toLowerCase(Locale.ROOT);
        if (problems.isEmpty()) {
            lines.add("Contracts   " + mode + ": passed");
        } else {
            lines.add("Contracts   %s: FAILED, %d problem%s"
                    .formatted(mode, problems.size(), problems.size() == 1 ? "" : "s"));
            problems.forEach(problem -> lines.add("  ✗ " + problem));
        }
        List<String> silent = silent(stages);
        if (!silent.isEmpty()) {
            lines.add("  without a contract, so that what passes them is not known: " + String.join(", ", silent));
        }
    }

    /** Whatever the mode: a drawing may tell what nobody has asked for. */
    private static List<String> problems(Stages stages) {
        try {
            return stages.with(ContractMode.CHECK).problems();
        } catch (ContractException e) {
            return String.valueOf(e.getMessage()).lines().toList();
        }
    }

    private static List<String> silent(Stages stages) {
        List<String> silent = new ArrayList<>();
        for (int i = 0; i < stages.preprocessors().size(); i++) {
            addIfSilent(silent, stages.preprocessors().get(i).contract(), stages.preprocessorLabel(i));
        }
        addIfSilent(silent, stages.modelContract(), stages.modelLabel());
        for (int i = 0; i < stages.postprocessors().size(); i++) {
            addIfSilent(silent, stages.postprocessors().get(i).contract(), stages.postprocessorLabel(i));
        }
        for (int i = 0; i < stages.loss().parts().size(); i++) {
            addIfSilent(silent, stages.loss().parts().get(i).loss().contract(), stages.lossLabel(i));
        }
        return silent;
    }

    private static void addIfSilent(List<String> silent, String contract, String label) {
        if (contract.isBlank()) {
            silent.add(label);
        }
    }

    /** Its name, and what it was made with; contracts have lines of their own. */
    private static String called(Component component) {
        Config config = component.config().withoutPath("contract").withoutPath("terms");
        if (config.isEmpty()) {
            return component.name();
        }
        return component.name()
                + new TreeMap<>(config.root().unwrapped())
                        .entrySet().stream()
                                .map(entry -> entry.getKey() + " = " + entry.getValue())
                                .collect(Collectors.joining(", ", " { ", " }"));
    }

    private static String contractOrNone(String contract) {
        return contract.isBlank() ? "(no contract)" : contract;
    }

    private static String padded(String text, int width) {
        return text + " ".repeat(width - text.length());
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntFunction;
import org.chorale.training.contract.ContractChain;
import org.chorale.training.contract.Stage;

/**
 * What stands around a model.
 *
 * @param data what batches bring
 * @param preprocessors in order
 * @param modelName what messages call the model
 * @param modelContract blank where the model does not say what it does
 * @param postprocessors in order
 * @param loss what the parameters are moved against
 * @param contracts what becomes of the contracts
 */
public record Stages(
        DataShape data,
        List<PreProcessor> preprocessors,
        String modelName,
        String modelContract,
        List<PostProcessor> postprocessors,
        LossCalculator loss,
        ContractMode contracts) {
    /** What a language model of Chorale's own takes and gives. */
    public static final String LANGUAGE_MODEL_CONTRACT =
            "%s:2:i64 -> %s:3:f, %s:3:f".formatted(NamedTensors.BATCH, NamedTensors.LOGITS, NamedTensors.HIDDEN);

    /** Stages for batches of tokens. */
    public Stages(
            List<PreProcessor> preprocessors,
            String modelName,
            String modelContract,
            List<PostProcessor> postprocessors,
            LossCalculator loss,
            ContractMode contracts) {
        this(DataShape.TOKENS, preprocessors, modelName, modelContract, postprocessors, loss, contracts);
    }

    public Stages {
        preprocessors = List.copyOf(preprocessors);
        postprocessors = List.copyOf(postprocessors);
    }

    /** The same stages, with something else done about their contracts. */
    public Stages with(ContractMode mode) {
        return new Stages(data, preprocessors, modelName, modelContract, postprocessors, loss, mode);
    }

    public String preprocessorLabel(int index) {
        return label("PreProcessor", index, preprocessors.get(index));
    }

    public String modelLabel() {
        return "Model " + modelName;
    }

    public String postprocessorLabel(int index) {
        return label("PostProcessor", index, postprocessors.get(index));
    }

    public String lossLabel(int index) {
        return label("Loss term", index, loss.parts().get(index).loss());
    }

    /**
     * Everything that does not fit together, a line each.
     *
     * @throws org.chorale.training.contract.ContractException where a contract cannot be read
     */
    public List<String> problems() {
        List<String> problems = new ArrayList<>(parameterProblems());
        if (contracts != ContractMode.OFF) {
            problems.addAll(ContractChain.problems(
                    Stage.of("Data", data.contract()),
                    stages(preprocessors, this::preprocessorLabel),
                    Stage.of(modelLabel(), modelContract),
                    stages(postprocessors, this::postprocessorLabel),
                    stages(loss.parts().stream().map(LossCalculator.Part::loss).toList(), this::lossLabel)));
        }
        return problems;
    }

    private List<String> parameterProblems() {
        Set<String> names = new HashSet<>();
        return loss.parameters().stream()
                .map(LearnableParameter::name)
                .filter(name -> !names.add(name))
                .map(name -> "two losses have a parameter %s; parameters of losses must have names of their own"
                        .formatted(name))
                .toList();
    }

    private static List<Stage> stages(List<? extends Component> components, IntFunction<String> label) {
        List<Stage> stages = new ArrayList<>();
        for (int i = 0; i < components.size(); i++) {
            stages.add(Stage.of(label.apply(i), components.get(i).contract()));
        }
        return stages;
    }

    private static String label(String kind, int index, Component component) {
        return "%s %d %s".formatted(kind, index + 1, component.name());
    }
}

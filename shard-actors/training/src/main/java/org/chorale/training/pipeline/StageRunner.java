// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import org.chorale.training.contract.Contract;
import org.chorale.training.contract.TensorSpec;

/** Runs the stages around a model over real tensors, as their contracts say, and in the contracts' own sense. */
public final class StageRunner {
    private record Step(
            String label, Optional<Contract> contract, BiFunction<NamedTensors, Context, NamedTensors> process) {}

    private final boolean enforce;
    private final List<Step> before = new ArrayList<>();
    private final Step model;
    private final List<Step> after = new ArrayList<>();
    private final List<Step> losses = new ArrayList<>();
    private final LossCalculator loss;

    public StageRunner(Stages stages) {
        this.enforce = stages.contracts() == ContractMode.ENFORCE;
        boolean read = stages.contracts() != ContractMode.OFF;
        for (int i = 0; i < stages.preprocessors().size(); i++) {
            PreProcessor stage = stages.preprocessors().get(i);
            before.add(step(stages.preprocessorLabel(i), read ? stage.contract() : "", stage::process));
        }
        this.model = step(stages.modelLabel(), read ? stages.modelContract() : "", (flowing, context) -> flowing);
        for (int i = 0; i < stages.postprocessors().size(); i++) {
            PostProcessor stage = stages.postprocessors().get(i);
            after.add(step(stages.postprocessorLabel(i), read ? stage.contract() : "", stage::process));
        }
        for (int i = 0; i < stages.loss().parts().size(); i++) {
            String contract = stages.loss().parts().get(i).loss().contract();
            losses.add(step(stages.lossLabel(i), read ? contract : "", (flowing, context) -> flowing));
        }
        this.loss = stages.loss();
    }

    /** What the model is to be given. */
    public NamedTensors preprocess(NamedTensors batch, Context context) {
        NamedTensors flowing = run(before, batch, context);
        checkInputs(model, withArguments(flowing, context), context);
        return flowing;
    }

    /** A model's input may stand in the context instead, as {@code ContractChain} has it. */
    private NamedTensors withArguments(NamedTensors flowing, Context context) {
        NamedTensors all = flowing;
        for (TensorSpec spec : model.contract().map(Contract::inputs).orElse(List.of())) {
            if (all.find(spec.name()).isEmpty() && context.find(spec.name()).isPresent()) {
                all = all.with(spec.name(), context.tensor(spec.name()));
            }
        }
        return all;
    }

    /** What the loss is to be given of the model's outputs. */
    public NamedTensors postprocess(NamedTensors outputs, Context context) {
        checkOutputs(model, outputs, context);
        return run(after, outputs, context);
    }

    /** The loss of what {@link #postprocess} gave. */
    public LossOutput loss(NamedTensors outputs, Context context) {
        losses.forEach(step -> checkInputs(step, outputs, context));
        return UserCode.call("Loss " + loss.name(), context, () -> loss.compute(outputs, context));
    }

    private NamedTensors run(List<Step> steps, NamedTensors first, Context context) {
        NamedTensors flowing = first;
        for (Step step : steps) {
            checkInputs(step, flowing, context);
            NamedTensors before = flowing;
            NamedTensors given =
                    UserCode.call(step.label(), context, () -> step.process().apply(before, context));
            flowing = flowOn(step, flowing, given);
            checkOutputs(step, flowing, context);
        }
        return flowing;
    }

    /** What a contract does not name flows past its stage; what it takes and does not give is gone. */
    private static NamedTensors flowOn(Step step, NamedTensors before, NamedTensors given) {
        if (step.contract().isEmpty()) {
            return given;
        }
        List<String> taken = names(step.contract().get().inputs());
        List<String> gone = new ArrayList<>(taken);
        gone.removeAll(names(step.contract().get().outputs()));
        return before.without(taken).with(given).without(gone);
    }

    private static List<String> names(List<TensorSpec> specs) {
        return specs.stream().map(TensorSpec::name).toList();
    }

    private void checkInputs(Step step, NamedTensors flowing, Context context) {
        if (enforce) {
            step.contract().ifPresent(contract -> new ContractCheck(step.label(), contract).inputs(flowing, context));
        }
    }

    private void checkOutputs(Step step, NamedTensors flowing, Context context) {
        if (enforce) {
            step.contract().ifPresent(contract -> new ContractCheck(step.label(), contract).outputs(flowing, context));
        }
    }

    private static Step step(String label, String contract, BiFunction<NamedTensors, Context, NamedTensors> process) {
        return new Step(
                label, contract.isBlank() ? Optional.empty() : Optional.of(Contract.parse(label, contract)), process);
    }
}

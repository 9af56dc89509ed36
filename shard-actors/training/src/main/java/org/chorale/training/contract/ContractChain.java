// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.chorale.model.outline.NearestName;

/**
 * Follows the tensors from the data through preprocessors, model and postprocessors to the terms of the loss, and notes
 * every input that will not be there or not be what is wanted.
 *
 * <p>What a stage does not name passes by it; what it takes and does not give is gone; what the model does not give is
 * gone altogether. The context only grows. After a stage without a contract anything may be there, so from then on a
 * tensor that nobody declared is not missed.
 */
public final class ContractChain {
    private record Given(TensorSpec spec, String by) {}

    /** Tensors by name; open where others may be there too. */
    private static final class Held {
        private final String prefix;
        private final Map<String, Given> known = new LinkedHashMap<>();
        private boolean open;

        Held(String prefix) {
            this.prefix = prefix;
        }

        void add(List<TensorSpec> specs, String by) {
            specs.forEach(spec -> known.put(spec.name(), new Given(spec, by)));
        }
    }

    private final Held flowing = new Held("");
    private final Held context = new Held(Contract.CONTEXT);
    private final List<String> problems = new ArrayList<>();

    private ContractChain() {}

    /**
     * Checks a pipeline.
     *
     * @param data its outputs are what a batch and its context hold at first
     * @param losses all of them read what the last postprocessor leaves
     * @return a line per problem
     */
    public static List<String> problems(
            Stage data, List<Stage> preprocessors, Stage model, List<Stage> postprocessors, List<Stage> losses) {
        ContractChain chain = new ContractChain();
        chain.pass(data);
        preprocessors.forEach(chain::pass);
        chain.model(model);
        postprocessors.forEach(chain::pass);
        losses.forEach(chain::loss);
        return List.copyOf(chain.problems);
    }

    private void pass(Stage stage) {
        if (stage.contract().isEmpty()) {
            flowing.open = true;
            context.open = true;
            return;
        }
        Contract contract = stage.contract().get();
        require(stage, contract.inputs(), flowing);
        require(stage, contract.contextInputs(), context);
        contract.inputs().forEach(input -> flowing.known.remove(input.name()));
        give(stage, contract);
    }

    /** A model's input may stand in the context instead: that is where arguments of its forward are. */
    private void model(Stage stage) {
        if (stage.contract().isPresent()) {
            Contract contract = stage.contract().get();
            for (TensorSpec input : contract.inputs()) {
                boolean argument = !flowing.known.containsKey(input.name()) && context.known.containsKey(input.name());
                require(stage, List.of(input), argument ? context : flowing);
            }
            require(stage, contract.contextInputs(), context);
            flowing.open = false;
        } else {
            context.open = true;
            flowing.open = true;
        }
        flowing.known.clear();
        stage.contract().ifPresent(contract -> give(stage, contract));
    }

    private void loss(Stage stage) {
        if (stage.contract().isEmpty()) {
            return;
        }
        Contract contract = stage.contract().get();
        require(stage, contract.inputs(), flowing);
        require(stage, contract.contextInputs(), context);
        TensorSpec number = new TensorSpec("loss", 0, Optional.of(ElementType.F));
        for (TensorSpec output : contract.outputs()) {
            number.misfit(output)
                    .ifPresent(misfit -> problems.add("%s: gives %s, but a loss is a floating-point number: %s"
                            .formatted(stage.label(), output, misfit)));
        }
    }

    private void give(Stage stage, Contract contract) {
        flowing.add(contract.outputs(), stage.label());
        context.add(contract.contextOutputs(), stage.label());
    }

    private void require(Stage stage, List<TensorSpec> wanted, Held held) {
        for (TensorSpec spec : wanted) {
            Given given = held.known.get(spec.name());
            if (given != null) {
                spec.misfit(given.spec())
                        .ifPresent(misfit -> problems.add("%s: wants %s%s, but %s gives %s%s: %s"
                                .formatted(
                                        stage.label(),
                                        held.prefix,
                                        spec,
                                        given.by(),
                                        held.prefix,
                                        given.spec(),
                                        misfit)));
            } else if (!held.open) {
                problems.add(missing(stage, spec, held));
            }
        }
    }

    private String missing(Stage stage, TensorSpec spec, Held held) {
        String there = held.known.values().stream()
                .map(given -> held.prefix + given.spec())
                .collect(Collectors.joining(", "));
        return "%s: wants %s%s, but there is no %s%s%s; there %s"
                .formatted(
                        stage.label(),
                        held.prefix,
                        spec,
                        held.prefix,
                        spec.name(),
                        hint(spec, held),
                        there.isEmpty() ? "is nothing" : "is " + there);
    }

    private String hint(TensorSpec spec, Held held) {
        Held other = held == flowing ? context : flowing;
        if (other.known.containsKey(spec.name())) {
            return ", only " + other.prefix + spec.name();
        }
        return held.known.isEmpty()
                ? ""
                : ", the nearest is " + held.prefix + NearestName.to(spec.name(), held.known.keySet());
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.contract.Contract;
import org.chorale.training.contract.ContractException;
import org.chorale.training.contract.ElementType;
import org.chorale.training.contract.TensorSpec;

/** Holds real tensors against the contract of the stage that takes or gives them ({@code contracts = enforce}). */
final class ContractCheck {
    private final String label;
    private final Contract contract;

    ContractCheck(String label, Contract contract) {
        this.label = label;
        this.contract = contract;
    }

    void inputs(NamedTensors flowing, Context context) {
        List<String> problems = new ArrayList<>();
        contract.inputs().forEach(spec -> check(spec, "", flowing.find(spec.name()), "wants", problems));
        contract.contextInputs().forEach(spec -> check(spec, "ctx.", context.find(spec.name()), "wants", problems));
        refuse(context, problems);
    }

    void outputs(NamedTensors flowing, Context context) {
        List<String> problems = new ArrayList<>();
        contract.outputs().forEach(spec -> check(spec, "", flowing.find(spec.name()), "should give", problems));
        contract.contextOutputs()
                .forEach(spec -> check(spec, "ctx.", context.find(spec.name()), "should give", problems));
        refuse(context, problems);
    }

    private static void check(
            TensorSpec spec, String prefix, Optional<Tensor> found, String verb, List<String> problems) {
        if (found.isEmpty()) {
            problems.add("%s %s%s, but there is no %s%s".formatted(verb, prefix, spec, prefix, spec.name()));
            return;
        }
        Tensor tensor = found.get();
        String scalarType = tensor.scalar_type().intern().name();
        boolean fits = tensor.dim() == spec.rank()
                && spec.type().map(type -> type.includes(scalarType)).orElse(true);
        if (!fits) {
            problems.add("%s %s%s, found %s of shape %s"
                    .formatted(verb, prefix, spec, ElementType.word(scalarType), Arrays.toString(tensor.shape())));
        }
    }

    private void refuse(Context context, List<String> problems) {
        if (!problems.isEmpty()) {
            throw new ContractException(problems.stream()
                    .map(problem -> "step %d, %s: %s".formatted(context.step(), label, problem))
                    .collect(Collectors.toList()));
        }
    }
}

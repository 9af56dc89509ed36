// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a stage takes and gives: tensors that flow through the pipeline, and tensors in the context of the batch.
 *
 * <pre>{@code
 * batch:2:i64 -> batch:2:i64 | ctx.mask:2:f
 * logits:3:f | ctx.target:2:i64 -> loss:0:f
 * }</pre>
 *
 * @param inputs that flow in, by name
 * @param contextInputs that must stand in the context
 * @param outputs that flow out
 * @param contextOutputs that the stage puts into the context
 */
public record Contract(
        List<TensorSpec> inputs,
        List<TensorSpec> contextInputs,
        List<TensorSpec> outputs,
        List<TensorSpec> contextOutputs) {
    static final String CONTEXT = "ctx.";

    public Contract {
        inputs = List.copyOf(inputs);
        contextInputs = List.copyOf(contextInputs);
        outputs = List.copyOf(outputs);
        contextOutputs = List.copyOf(contextOutputs);
    }

    /**
     * Reads a contract.
     *
     * @param component whose it is, for messages
     * @throws ContractException with every problem of the text
     */
    public static Contract parse(String component, String text) {
        return new ContractParser(component, text).parse();
    }

    /** In the canonical form: context after the bar. */
    @Override
    public String toString() {
        String left = side(inputs, contextInputs);
        String right = side(outputs, contextOutputs);
        return (left.isEmpty() ? "" : left + " ") + "->" + (right.isEmpty() ? "" : " " + right);
    }

    private static String side(List<TensorSpec> flowing, List<TensorSpec> context) {
        String flow = flowing.stream().map(TensorSpec::toString).collect(Collectors.joining(", "));
        String bar = context.stream().map(spec -> CONTEXT + spec).collect(Collectors.joining(", ", "| ", ""));
        return Stream.of(flow, context.isEmpty() ? "" : bar)
                .filter(part -> !part.isEmpty())
                .collect(Collectors.joining(" "));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What batches bring: {@code data} of a run's configuration, as far as a pipeline depends on it.
 *
 * @param numbers fields of examples that are numbers, with how many each has; empty where examples are tokens
 */
public record DataShape(Map<String, Integer> numbers) {
    /** Where a run's configuration has it. */
    public static final String KEY = "data";

    /** Tokens. */
    public static final DataShape TOKENS = new DataShape(Map.of());

    private static final String TOKENS_CONTRACT = "-> %s:2:i64, %s:2:i64 | ctx.%s:2:i64, ctx.%s:2:i64, ctx.%s:2:f32"
            .formatted(
                    NamedTensors.BATCH,
                    NamedTensors.LABELS,
                    Context.ORIGINAL_BATCH,
                    Context.TARGET,
                    Context.ATTENTION_MASK);

    public DataShape {
        numbers = Map.copyOf(numbers);
    }

    /** Of the data, as a stage before all others: numbers are [B, N] fp32. */
    public String contract() {
        return numbers.isEmpty()
                ? TOKENS_CONTRACT
                : numbers.keySet().stream()
                        .sorted()
                        .map("%s:2:f32"::formatted)
                        .collect(Collectors.joining(", ", "-> ", ""));
    }

    /** Why the pipeline cannot take them; empty where it can. A language model and its cross entropy take tokens. */
    public Optional<String> problem(PipelineConfig pipeline) {
        boolean fits = numbers.isEmpty()
                || (pipeline.hasOwnModel() && pipeline.loss().type().isPresent());
        return fits
                ? Optional.empty()
                : Optional.of("data.numbers = %s: language models and their loss take tokens; set %s.type and %s.type"
                        .formatted(numbers, PipelineConfig.MODEL, PipelineConfig.LOSS));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.contract;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pipelines are written as {@code preprocessors / model / postprocessors / losses}, {@code ;} within, {@code ?} opaque. */
final class ContractChainTest {
    private static final Stage DATA = Stage.of("Data", "-> batch:2:i64, labels:2:i64 | ctx.target:2:i64");

    @ParameterizedTest
    @CsvSource(
            delimiter = '/',
            value = {
                // nothing before the model
                "'' / batch:2:i64 -> logits:3:f / '' / logits:3:f | ctx.target:2:i64 -> loss:0:f",
                // context outputs are declared and found
                "batch:2:i64 -> batch:2:i64 | ctx.mask:2:f / batch:2:i64 -> logits:3:f / '' / logits:3 | ctx.mask:2:f -> loss:0",
                // what a stage does not name passes by it
                "batch:2 -> batch:2 ; labels:2 -> labels:2 / batch:2, labels:2 -> out:3:f / '' / out:3:f -> loss:0",
                // an opaque stage may give anything
                "? / images:4:f -> logits:3:f / '' / logits:3:f | ctx.anything:1 -> loss:0:f",
                "'' / ? / ? / whatever:3:f -> loss:0:f ; other:2 -> loss:0",
                // a model's arguments may stand in the context
                "-> | ctx.noise:1:f / batch:2, noise:1:f -> logits:3 / '' / logits:3 -> loss:0",
                // a wide type may turn out to be the narrow one, and an unknown one anything
                "'' / batch:2:i -> logits:3:f / '' / logits:3:bf16 | ctx.target:2 -> loss:0:f",
                // a postprocessor may rename
                "'' / batch:2 -> logits:3:f, hidden:3:f / hidden:3:f -> pooled:2:f / logits:3, pooled:2:f -> loss:0",
                // a loss without a contract is skipped, the others are not
                "'' / batch:2 -> logits:3 / '' / ? ; logits:3 -> loss:0",
            })
    void aSoundPipelineHasNoProblem(String pre, String model, String post, String losses) {
        assertThat(problems(pre, model, post, losses)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '/',
            value = {
                "'' / tokens:2 -> logits:3 / '' / logits:3 -> loss:0"
                        + "/Model: wants tokens:2, but there is no tokens, the nearest is labels; there is batch:2:i64, labels:2:i64",
                "'' / bach:2 -> logits:3 / '' / logits:3 -> loss:0"
                        + "/Model: wants bach:2, but there is no bach, the nearest is batch;"
                        + " there is batch:2:i64, labels:2:i64",
                "'' / batch:3 -> logits:3 / '' / logits:3 -> loss:0"
                        + "/Model: wants batch:3, but Data gives batch:2:i64: rank 2 is not 3",
                "'' / batch:2:f -> logits:3 / '' / logits:3 -> loss:0"
                        + "/Model: wants batch:2:f, but Data gives batch:2:i64: i64 is not f",
                "batch:2:i64 -> batch:2:i32 / batch:2:i64 -> logits:3 / '' / logits:3 -> loss:0"
                        + "/Model: wants batch:2:i64, but PreProcessor 1 A gives batch:2:i32: i32 is not i64",
                "batch:3 -> batch:2 / batch:2 -> logits:3 / '' / logits:3 -> loss:0"
                        + "/PreProcessor 1 A: wants batch:3, but Data gives batch:2:i64: rank 2 is not 3",
                "batch:2 -> tokens:2 / batch:2 -> logits:3 / '' / logits:3 -> loss:0"
                        + "/Model: wants batch:2, but there is no batch, the nearest is labels; there is labels:2:i64, tokens:2",
                "batch:2 | ctx.mask:2 -> batch:2 / batch:2 -> logits:3 / '' / logits:3 -> loss:0"
                        + "/PreProcessor 1 A: wants ctx.mask:2, but there is no ctx.mask, the nearest is ctx.target; there is ctx.target:2:i64",
                "batch:2 -> batch:2 ; batch:2 | ctx.mask:2 -> batch:2 | ctx.mask:2 / batch:2 -> x:3 / '' / x:3 -> loss:0"
                        + "/PreProcessor 2 B: wants ctx.mask:2, but there is no ctx.mask, the nearest is ctx.target; there is ctx.target:2:i64",
                "'' / batch:2 | ctx.return_hidden:0:b -> logits:3 / '' / logits:3 -> loss:0"
                        + "/Model: wants ctx.return_hidden:0:b, but there is no ctx.return_hidden, the nearest is ctx.target;"
                        + " there is ctx.target:2:i64",
                "'' / batch:2 -> logits:3 / hidden:3 -> hidden:3 / logits:3 -> loss:0"
                        + "/PostProcessor 1 A: wants hidden:3, but there is no hidden, the nearest is logits; there is logits:3",
                "'' / batch:2 -> logits:3 / labels:2 -> labels:2 / logits:3 -> loss:0"
                        + "/PostProcessor 1 A: wants labels:2, but there is no labels, the nearest is logits; there is logits:3",
                "'' / batch:2 -> logits:3:f / logits:2:f -> logits:2:f / logits:2:f -> loss:0"
                        + "/PostProcessor 1 A: wants logits:2:f, but Model gives logits:3:f: rank 3 is not 2",
                "'' / batch:2 -> logits:3:f / logits:3 -> pooled:2 / logits:3:f -> loss:0"
                        + "/Loss term 1 A: wants logits:3:f, but there is no logits, the nearest is pooled; there is pooled:2",
                "'' / batch:2 -> logits:3:f / logits:3 -> logits:2:f / logits:3:f -> loss:0"
                        + "/Loss term 1 A: wants logits:3:f, but PostProcessor 1 A gives logits:2:f: rank 2 is not 3",
                "'' / batch:2 -> logits:3:f / '' / logits:3:i64 -> loss:0"
                        + "/Loss term 1 A: wants logits:3:i64, but Model gives logits:3:f: f is not i64",
                "'' / batch:2 -> logits:3:f / '' / logit:3:f -> loss:0"
                        + "/Loss term 1 A: wants logit:3:f, but there is no logit, the nearest is logits;"
                        + " there is logits:3:f",
                "'' / batch:2 -> logits:3:f / '' / logits:3 | ctx.mask:2 -> loss:0"
                        + "/Loss term 1 A: wants ctx.mask:2, but there is no ctx.mask, the nearest is ctx.target; there is ctx.target:2:i64",
                "'' / batch:2 -> logits:3:f / '' / logits:3 | ctx.target:1:i64 -> loss:0"
                        + "/Loss term 1 A: wants ctx.target:1:i64, but Data gives ctx.target:2:i64: rank 2 is not 1",
                "'' / batch:2 -> logits:3:f / '' / logits:3 | ctx.target:2:f -> loss:0"
                        + "/Loss term 1 A: wants ctx.target:2:f, but Data gives ctx.target:2:i64: i64 is not f",
                "'' / batch:2 -> logits:3:f / '' / logits:3, target:2 -> loss:0"
                        + "/Loss term 1 A: wants target:2, but there is no target, only ctx.target;"
                        + " there is logits:3:f",
                "'' / batch:2 -> logits:3 / '' / logits:3 -> loss:0 ; | ctx.hidden_states:3:f -> loss:0"
                        + "/Loss term 2 B: wants ctx.hidden_states:3:f, but there is no ctx.hidden_states, the nearest is ctx.target;"
                        + " there is ctx.target:2:i64",
                "'' / batch:2 -> logits:3 / '' / logits:3 -> loss:1"
                        + "/Loss term 1 A: gives loss:1, but a loss is a floating-point number: rank 1 is not 0",
                "'' / batch:2 -> logits:3 / '' / logits:3 -> loss:0:i64"
                        + "/Loss term 1 A: gives loss:0:i64, but a loss is a floating-point number: i64 is not f",
                "batch:2 -> batch:2 | ctx.mask:2:b / batch:2 -> logits:3 / '' / logits:3 | ctx.mask:2:f -> loss:0"
                        + "/Loss term 1 A: wants ctx.mask:2:f, but PreProcessor 1 A gives ctx.mask:2:b: b is not f",
                "'' / batch:2 -> / '' / logits:3 -> loss:0"
                        + "/Loss term 1 A: wants logits:3, but there is no logits; there is nothing",
                "? / batch:3 -> logits:3 / '' / logits:3 -> loss:0"
                        + "/Model: wants batch:3, but Data gives batch:2:i64: rank 2 is not 3",
                "? / batch:2 -> logits:3 / '' / hidden:3 -> loss:0"
                        + "/Loss term 1 A: wants hidden:3, but there is no hidden, the nearest is logits; there is logits:3",
            })
    void aBrokenPipelineIsToldWhereAndWhy(String pre, String model, String post, String losses, String problem) {
        assertThat(problems(pre, model, post, losses)).containsExactly(problem);
    }

    @Test
    void everyProblemIsToldAtOnce() {
        assertThat(problems(
                        "batch:3 | ctx.a:1 -> batch:2",
                        "batch:1 -> logits:3:f",
                        "hidden:3 -> hidden:2",
                        "logits:3:b -> loss:0 ; hidden:3 -> loss:0"))
                .hasSize(6)
                .anyMatch(p -> p.startsWith("PreProcessor 1"))
                .anyMatch(p -> p.startsWith("Model"))
                .anyMatch(p -> p.startsWith("PostProcessor 1"))
                .anyMatch(p -> p.startsWith("Loss term 2"));
    }

    private static List<String> problems(String pre, String model, String post, String losses) {
        return ContractChain.problems(
                DATA,
                stages("PreProcessor", pre),
                Stage.of("Model", opaque(model.strip())),
                stages("PostProcessor", post),
                stages("Loss term", losses));
    }

    private static List<Stage> stages(String kind, String contracts) {
        List<Stage> stages = new ArrayList<>();
        List<String> texts = contracts.isBlank() ? List.of() : Arrays.asList(contracts.split(";", -1));
        for (int i = 0; i < texts.size(); i++) {
            stages.add(Stage.of(
                    "%s %d %c".formatted(kind, i + 1, 'A' + i),
                    opaque(texts.get(i).strip())));
        }
        return stages;
    }

    private static String opaque(String contract) {
        return contract.equals("?") ? "" : contract;
    }
}

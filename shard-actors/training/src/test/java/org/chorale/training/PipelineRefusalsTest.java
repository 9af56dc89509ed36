// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.chorale.training.ToyPipeline.batch;
import static org.chorale.training.ToyPipeline.run;
import static org.chorale.training.ToyPipeline.stages;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.chorale.training.contract.ContractException;
import org.chorale.training.loss.CompositeLoss;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.ContractMode;
import org.chorale.training.pipeline.LossCalculator;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;
import org.chorale.training.pipeline.PreProcessor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a pipeline refuses once its tensors are there, and in which words. */
final class PipelineRefusalsTest {
    @Test
    void aMeanIsRefusedByNameBeyondOneMicroBatch() {
        LossCalculator mean = (outputs, context) ->
                LossOutput.mean("my_mean", outputs.get("prediction").mean());
        assertThat(run(mean, List.of(batch(0, 6))).loss()).isFinite();
        assertThatThrownBy(() -> run(mean, List.of(batch(0, 3), batch(3, 6))))
                .isInstanceOf(PipelineException.class)
                .hasMessageContaining("the loss my_mean gives a mean")
                .hasMessageContaining("data.micro-batch");
        LossCalculator inside = CompositeLoss.of(new CrossEntropyLoss(), 1, mean, 1);
        assertThatThrownBy(() -> run(inside, List.of(batch(0, 3), batch(3, 6)))).hasMessageContaining("gives a mean");
    }

    @Test
    void aLossThatAutogradDoesNotReachIsRefusedInsteadOfTrainingNothing() {
        LossCalculator cut = (outputs, context) ->
                LossOutput.of("mine", outputs.get("prediction").detach().sum(), 6);
        assertThatThrownBy(() -> run(cut, List.of(batch(0, 6))))
                .isInstanceOf(PipelineException.class)
                .hasMessageContaining("no gradient comes of the loss [mine]");
    }

    @Test
    void aTermThatComesAndGoesIsRefusedInsteadOfLosingItsGradient() {
        LossCalculator fickle = (outputs, context) -> {
            Tensor sum = outputs.get("prediction").sum();
            LossOutput one = LossOutput.of("always", sum, 1);
            return context.sequences() > 2
                    ? new LossOutput(
                            List.of(one.terms().get(0), new LossOutput.Term("at_times", sum, 1, false)), Map.of())
                    : one;
        };
        assertThatThrownBy(() -> run(fickle, List.of(batch(0, 2), batch(2, 6))))
                .isInstanceOf(PipelineException.class)
                .hasMessageContaining("gives the terms [always, at_times], and gave [always] before");
    }

    static Stream<Arguments> brokenLosses() {
        return Stream.of(
                Arguments.of((LossCalculator) (outputs, context) -> noLoss(), "step 1, Loss (lambda): gives null"),
                Arguments.of(
                        (LossCalculator) (outputs, context) -> LossOutput.of("all", outputs.get("prediction"), 1),
                        "the loss all gives a sum of shape [6, 5]: it must be a single number"),
                Arguments.of(
                        (LossCalculator) (outputs, context) ->
                                LossOutput.of("all", outputs.get("prediction").sum(), Double.NaN),
                        "the weight NaN: it must be a number from 0"),
                Arguments.of(
                        (LossCalculator) (outputs, context) -> new LossOutput(List.of(), Map.of()),
                        "at least one term"),
                Arguments.of(
                        (LossCalculator) (outputs, context) -> {
                            Tensor wrong = outputs.get("logits").matmul(outputs.get("hidden"));
                            return LossOutput.of("all", wrong.sum(), 1);
                        },
                        "step 1, Loss (lambda): failed with java.lang.RuntimeException: "),
                Arguments.of(
                        (LossCalculator) (outputs, context) -> LossOutput.of("all", context.tensor("wish"), 1),
                        "step 1, Loss (lambda): there is no tensor wish in the context"));
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("brokenLosses")
    void whatGoesWrongInAComponentIsToldWithItsName(LossCalculator loss, String said) {
        assertThatThrownBy(() -> run(loss, List.of(batch(0, 6))))
                .isInstanceOf(PipelineException.class)
                .hasMessageContaining(said);
    }

    @SuppressWarnings("NullAway") // as users do
    private static LossOutput noLoss() {
        return null;
    }

    @Test
    void enforcedContractsNameStepStageTensorShapeAndType() {
        PreProcessor wrong = new PreProcessor() {
            @Override
            public NamedTensors process(NamedTensors batch, Context context) {
                context.put("mask", torch.zeros_like(batch.get("batch")));
                return batch.with("batch", batch.get("batch").unsqueeze(-1));
            }

            @Override
            public String name() {
                return "Wrong";
            }

            @Override
            public String contract() {
                return "batch:2:i64 -> batch:2:i64 | ctx.mask:2:f, ctx.other:1";
            }
        };
        try (TensorScope scope = new TensorScope()) {
            ToyPipeline pipeline =
                    new ToyPipeline(stages(List.of(wrong), new CrossEntropyLoss(), ContractMode.ENFORCE));
            assertThatThrownBy(() -> pipeline.run(List.of(batch(0, 6))))
                    .isInstanceOf(ContractException.class)
                    .hasMessage("""
                            step 1, PreProcessor 1 Wrong: should give batch:2:i64, found i64 of shape [6, 5, 1]
                            step 1, PreProcessor 1 Wrong: should give ctx.mask:2:f, found i64 of shape [6, 5]
                            step 1, PreProcessor 1 Wrong: should give ctx.other:1, but there is no ctx.other""");
        }
    }
}

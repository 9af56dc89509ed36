// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.typesafe.config.ConfigFactory;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.training.contract.Contract;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.LossOutput;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PipelineException;
import org.junit.jupiter.api.Test;

final class NoisingPreProcessorTest {
    private static final NoiseSchedule SCHEDULE = NoiseSchedule.linear(3, 0.1, 0.3);

    @Test
    void theMarginalsHaveTheMeanAndVarianceOfTheirTimestep() {
        int rows = 30_000;
        try (TensorScope scope = new TensorScope();
                Context context = context(4, LongStream.range(0, rows).toArray())) {
            Tensor twos = torch.full(new long[] {rows, 1}, new Scalar(2.0), new TensorOptions(ScalarType.Float));
            Tensor noisy = noising(Prediction.EPSILON)
                    .process(NamedTensors.of("point", twos), context)
                    .get("point");
            for (int t = 0; t < 3; t++) {
                double alpha = SCHEDULE.cumulativeAlphas()[t];
                Tensor drawn = noisy.masked_select(
                                context.tensor("t").eq(new Scalar(t)).unsqueeze(1))
                        .to(ScalarType.Double);
                double deviation = Math.sqrt((1 - alpha) / drawn.numel());
                assertThat(drawn.numel())
                        .as("10,000 each, within five deviations")
                        .isBetween(9_592L, 10_408L);
                assertThat(drawn.mean().item_double()).isCloseTo(2 * Math.sqrt(alpha), within(5 * deviation));
                assertThat(drawn.var(true).item_double() / (1 - alpha))
                        .isCloseTo(1, within(5 * Math.sqrt(2.0 / drawn.numel())));
            }
        }
    }

    @Test
    void aSampleGetsItsNoiseWhateverItsRowBatchAndWorker() {
        try (TensorScope scope = new TensorScope()) {
            Tensor together = noisy(context(7, 10, 11, 12), 3);
            Tensor apart = noisy(context(7, 12, 10), 2);

            assertThat(apart.select(0, 0).equal(together.select(0, 2))).isTrue();
            assertThat(apart.select(0, 1).equal(together.select(0, 0))).isTrue();
            assertThat(noisy(context(8, 10, 11, 12), 3).eq(together).any().item_bool())
                    .as("another step's noise")
                    .isFalse();
        }
    }

    @Test
    void theTargetIsWhatThePredictionSaysOfNoiseAndExample() {
        try (TensorScope scope = new TensorScope();
                Context context = context(1, 5, 6)) {
            Tensor example = torch.randn(2, 4, 3);
            Tensor noisy = new NoisingPreProcessor("latent", 3, SCHEDULE, Prediction.V)
                    .minSnrGamma(5)
                    .process(NamedTensors.of("latent", example), context)
                    .get("latent");
            Tensor t = context.tensor("t");
            Tensor recovered = Prediction.V.example(noisy, context.tensor("target"), SCHEDULE.at(t, noisy));

            assertThat(recovered.sub(example).abs().max().item_double()).isLessThan(1e-6);
            assertThat(context.tensor("snr_weight")
                            .equal(Prediction.V
                                    .minSnrWeight(SCHEDULE.signalToNoise(t), 5)
                                    .to(ScalarType.Float)))
                    .isTrue();
        }
    }

    @Test
    void contractAndConfigurationSayWhatItDoes() {
        NoisingPreProcessor read = new NoisingPreProcessor(ConfigFactory.parseString("tensor = latent, rank = 3,"
                + " prediction = v, min-snr-gamma = 5, schedule { type = cosine, timesteps = 7 }"));

        assertThat(Contract.parse("noise", read.contract()))
                .hasToString("latent:3:f -> latent:3:f | ctx.t:1:i64, ctx.target:3:f, ctx.snr_weight:1:f32");
        assertThat(noising(Prediction.X0).contract()).isEqualTo("point:2:f -> point:2:f | ctx.t:1:i64, ctx.target:2:f");
        assertThat(new NoisingPreProcessor(read.config()).config()).isEqualTo(read.config());
    }

    @Test
    void whatIsNoExampleIsRefused() {
        try (TensorScope scope = new TensorScope();
                Context context = context(1, 5)) {
            NamedTensors tokens = NamedTensors.of("point", torch.ones(1, 2).to(ScalarType.Long));
            assertThatThrownBy(() -> noising(Prediction.X0).process(tokens, context))
                    .isInstanceOf(PipelineException.class)
                    .hasMessage("point is Long of rank 2; noise is for floating-point numbers, of rank 2 here");
        }
        assertThatThrownBy(() -> noising(Prediction.X0).minSnrGamma(0)).hasMessageContaining("min-snr-gamma = 0.0");
        assertThatThrownBy(() -> new NoisingPreProcessor(ConfigFactory.parseString(
                        "tensor = x, predicts = v, prediction = v, schedule { type = cosine, timesteps = 7 }")))
                .hasMessageContaining("there is no key predicts");
    }

    @Test
    void theLossIsTheMeanOfWeightedSquares() {
        try (TensorScope scope = new TensorScope();
                Context context = context(1, 5, 6)) {
            context.put("target", torch.zeros(2, 2));
            context.put("snr_weight", torch.arange(new Scalar(1), new Scalar(3)));
            SnrWeightedLoss loss = new SnrWeightedLoss(ConfigFactory.parseString("prediction = v"));
            LossOutput output = loss.compute(NamedTensors.of("v", torch.ones(2, 2)), context);

            assertThat(output.terms().get(0).sum().item_double()).isEqualTo(2 * 1 + 2 * 2);
            assertThat(output.terms().get(0).weight()).isEqualTo(4);
            assertThat(loss.contract()).isEqualTo("v:2:f | ctx.target:2:f, ctx.snr_weight:1:f -> loss:0:f");
            assertThat(new SnrWeightedLoss(loss.config()).config()).isEqualTo(loss.config());
            assertThatThrownBy(() -> loss.compute(NamedTensors.of("v", torch.ones(2, 3)), context))
                    .hasMessage("the prediction v has shape [2, 3], the target [2, 2]; they must be the same");
        }
    }

    private static Tensor noisy(Context owned, int rows) {
        try (Context context = owned) {
            return noising(Prediction.EPSILON)
                    .process(NamedTensors.of("point", torch.zeros(rows, 2)), context)
                    .get("point");
        }
    }

    private static NoisingPreProcessor noising(Prediction prediction) {
        return new NoisingPreProcessor("point", 2, SCHEDULE, prediction);
    }

    private static Context context(long step, long... samples) {
        return new Context(new Context.Place(3, step, samples, new Device("cpu")), name -> {
            throw new AssertionError(name);
        });
    }
}

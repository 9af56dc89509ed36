// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.model.layer.Parameter;
import org.chorale.model.layer.Tape;
import org.chorale.model.layer.Units;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.preference.DpoLoss;
import org.chorale.training.preference.DpoLoss.Variant;
import org.chorale.training.preference.Judgement;
import org.chorale.training.preference.KtoLoss;
import org.chorale.training.preference.OrpoLoss;
import org.chorale.training.preference.PairLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** From weights to log-probabilities and back, in fp64. */
final class SequenceScoresTest {
    private static final DropoutKeys NOTHING_DROPPED = DropoutKeys.of(0, 0, new long[4], 8);

    @TempDir
    private Path directory;

    private final MicroBatch batch = TinyModel.batch(3, 4, 8);

    static Stream<SequenceScores.Loss> losses() {
        return Stream.of(
                of(new DpoLoss(Variant.SIGMOID, 0.5, 0.1, false)),
                of(new DpoLoss(Variant.IPO, 0.5, 0, false)),
                of(new OrpoLoss(0.5)),
                found -> rated(found).gradient());
    }

    private static SequenceScores.Loss of(PairLoss loss) {
        return found -> paired(loss, found).gradient().reshape(4);
    }

    @Test
    void aScoreIsTheSumOverTheCountedLabelsOfTheirLogProbabilities() {
        try (ModelFolder folder = TinyModel.folder(directory, false);
                TensorScope scope = new TensorScope();
                Decoder model = inDoubles(folder, new LinkedHashMap<>());
                Tape dropped = new Tape()) {
            Tensor scores = new SequenceScores(model).of(batch);
            Tensor tokens = Device.CPU.ofLongs(batch.tokens(), batch.tokens().length);
            Tensor hidden = model.forward(tokens, model.context(4, 8, null), dropped);
            Tensor all = torch.log_softmax(model.logits(hidden), -1);
            double[] expected = new double[4];
            for (long row : batch.predictingRows()) {
                long target = batch.labels()[(int) row + 1];
                expected[(int) row / 8] += all.select(0, row).select(0, target).item_double();
            }
            for (int i = 0; i < 4; i++) {
                assertThat(scores.select(0, i).item_double()).isCloseTo(expected[i], within(1e-12));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("losses")
    void theGradientOfALossIsThatOfFiniteDifferences(SequenceScores.Loss loss) {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        try (ModelFolder folder = TinyModel.folder(directory, true);
                TensorScope scope = new TensorScope();
                Decoder model = inDoubles(folder, parameters)) {
            SequenceScores scores = new SequenceScores(model);
            scores.train(batch, NOTHING_DROPPED, null, loss);
            for (String name : new String[] {
                "model.embed_tokens.weight",
                "model.layers.0.self_attn.q_proj.weight",
                "model.layers.1.mlp.down_proj.bias"
            }) {
                Parameter parameter = Objects.requireNonNull(parameters.get(name));
                long[] shape = parameter.value().sizes().vec().get();
                Tensor direction =
                        torch.ones(shape).to(ScalarType.Double).cumsum(0).sin();
                double step = 1e-6;
                Tensor before = scores.of(batch);
                Tensor slope = loss.gradient(before);
                parameter.value().add_(direction.mul(Scalars.of(step)));
                Tensor more = scores.of(batch);
                parameter.value().sub_(direction.mul(Scalars.of(2 * step)));
                Tensor less = scores.of(batch);
                parameter.value().add_(direction.mul(Scalars.of(step)));
                double moved = more.sub(less).mul(slope).sum().item_double() / (2 * step);
                double along = Objects.requireNonNull(parameter.gradient())
                        .mul(direction)
                        .sum()
                        .item_double();
                assertThat(along).as(name).isCloseTo(moved, within(1e-7 * Math.max(1, Math.abs(moved))));
            }
        }
    }

    private static Judgement paired(PairLoss loss, Tensor found) {
        Tensor reference = vector(-20, -22, -19, -25).view(-1, 2);
        return loss.judge(found.view(-1, 2), reference, vector(3, 2, 4, 5).view(-1, 2), 2);
    }

    private static Judgement rated(Tensor found) {
        KtoLoss.Answers answers =
                new KtoLoss.Answers(found, vector(-20, -22, -19, -25), vector(1, 0, 1, 0), vector(0, 1, 0, 1));
        return new KtoLoss(0.5, 1, 2).judge(answers, vector(0.5), 2, 2);
    }

    private static Tensor vector(double... values) {
        return Device.CPU.ofDoubles(values, values.length);
    }

    /** In the open scope. */
    private static Decoder inDoubles(ModelFolder folder, Map<String, Parameter> parameters) {
        folder.units().stream().flatMap(unit -> unit.parameters().stream()).forEach(outline -> {
            String name = outline.name();
            Tensor value = Device.CPU.zeros(ScalarType.Double, outline.elements());
            folder.copyInto(name, 0, outline.elements(), value);
            long[] shape = shape(outline);
            Tensor gradient = Device.CPU.zeros(ScalarType.Double, shape);
            parameters.put(name, new Parameter(name, value.view(shape), gradient));
        });
        return folder.model(name -> Objects.requireNonNull(parameters.get(name)), Units.ALWAYS_OPEN);
    }

    private static long[] shape(ParameterOutline outline) {
        return outline.shape().stream().mapToLong(Long::longValue).toArray();
    }
}

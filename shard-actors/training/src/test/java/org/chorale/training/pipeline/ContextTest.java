// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.Test;

final class ContextTest {
    @Test
    void aMissingKeyIsNamedWithWhatThereIs() {
        try (TensorScope scope = new TensorScope();
                Context context = context(1, 1, 5)) {
            context.put("mask", torch.zeros(1));
            context.putValue("rate", 0.5);
            context.putArgument("return_hidden", true);
            assertThatThrownBy(() -> context.tensor("mas"))
                    .isInstanceOf(PipelineException.class)
                    .hasMessage("there is no tensor mas in the context; there are [mask]");
            assertThatThrownBy(() -> context.value("rat", Double.class))
                    .hasMessage("there is no value rat in the context; there are [rate]");
            assertThatThrownBy(() -> context.value("rate", String.class))
                    .hasMessage("the value rate in the context is a Double, not a String");
            assertThat(context.value("rate", Double.class)).isEqualTo(0.5);
            assertThat(context.argument("return_hidden", Boolean.class, false)).isTrue();
            assertThat(context.argument("other", Boolean.class, false)).isFalse();
            assertThatThrownBy(() -> NamedTensors.of("logits", torch.zeros(1)).get("hidden"))
                    .hasMessage("there is no tensor hidden here; there are [logits]");
        }
    }

    @Test
    void whatIsPutInLivesThoughItsScopeHasEnded() {
        try (TensorScope scope = new TensorScope();
                Context context = context(1, 1, 5)) {
            try (TensorScope inner = new TensorScope()) {
                context.put("ones", torch.ones(3));
            }
            assertThat(context.tensor("ones").sum().item_float()).isEqualTo(3);
            try (Context copy = context.copy()) {
                copy.put("more", torch.ones(1));
                assertThat(copy.tensor("ones").sum().item_float()).isEqualTo(3);
            }
            assertThat(context.find("more")).isEmpty();
        }
    }

    @Test
    void aSampleGetsItsNumbersWhateverItsRowBatchAndPadding() {
        float[][] together = draw(context(3, 7, 10, 11, 12), "mask", 3, 6);
        assertThat(draw(context(3, 7, 12), "mask", 1, 6)[0]).isEqualTo(together[2]);
        assertThat(draw(context(3, 7, 11, 10), "mask", 2, 6)[0]).isEqualTo(together[1]);
        float[] wider = draw(context(3, 7, 10), "mask", 1, 40)[0];
        assertThat(Arrays.copyOf(wider, 6)).isEqualTo(together[0]);
    }

    @Test
    void seedStepSampleAndPurposeAllCount() {
        float[] first = draw(context(3, 7, 10), "mask", 1, 6)[0];
        assertThat(draw(context(4, 7, 10), "mask", 1, 6)[0]).isNotEqualTo(first);
        assertThat(draw(context(3, 8, 10), "mask", 1, 6)[0]).isNotEqualTo(first);
        assertThat(draw(context(3, 7, 11), "mask", 1, 6)[0]).isNotEqualTo(first);
        assertThat(draw(context(3, 7, 10), "noise", 1, 6)[0]).isNotEqualTo(first);
        assertThat(draw(context(3, 7, 10), "mask", 1, 6)[0]).isEqualTo(first);
    }

    /** A run that was begun with an earlier release goes on with the same numbers. */
    @Test
    void theNumbersStayWhatTheyAre() {
        assertThat(draw(context(3, 7, 10, 11), "mask", 2, 2))
                .isEqualTo(new float[][] {{0.09378439f, 0.79778385f}, {0.47942156f, 0.36023647f}});
    }

    @Test
    void theNumbersAreEven() {
        float[] drawn = draw(context(1, 1, 5), "x", 1, 20_000)[0];
        int[] tenths = new int[10];
        for (float number : drawn) {
            tenths[(int) (number * 10)]++;
        }
        for (int tenth : tenths) {
            assertThat(tenth).as("2,000 each, within five deviations").isBetween(1_788, 2_212);
        }
    }

    @Test
    void wholeNumbersAreEvenAndBelowTheirBound() {
        try (TensorScope scope = new TensorScope();
                Context context = context(1, 1, 5)) {
            LongBuffer drawn = context.random("x").below(3, 1, 30_000).createBuffer();
            int[] counts = new int[3];
            while (drawn.hasRemaining()) {
                counts[(int) drawn.get()]++;
            }
            for (int count : counts) {
                assertThat(count).as("10,000 each, within five deviations").isBetween(9_592, 10_408);
            }
        }
    }

    @Test
    void normalNumbersHaveTheMomentsOfTheNormalDistribution() {
        int count = 100_000;
        try (TensorScope scope = new TensorScope();
                Context context = context(1, 1, 5)) {
            Tensor drawn = context.random("x").normal(1, count).to(ScalarType.Double);
            double deviation = 1 / Math.sqrt(count);

            assertThat(drawn.mean().item_double()).isCloseTo(0, within(5 * deviation));
            assertThat(drawn.square().mean().item_double()).isCloseTo(1, within(5 * deviation * Math.sqrt(2)));
            assertThat(drawn.pow(new Scalar(4)).mean().item_double())
                    .isCloseTo(3, within(5 * deviation * Math.sqrt(96)));
        }
    }

    @Test
    void aSamplesNormalNumbersDoNotDependOnHowManyAreDrawn() {
        try (TensorScope scope = new TensorScope();
                Context context = context(3, 7, 10, 11);
                Context alone = context(3, 7, 11)) {
            Tensor together = context.random("x").normal(2, 40);
            Tensor few = alone.random("x").normal(1, 6);

            assertThat(few.select(0, 0).equal(together.select(0, 1).narrow(0, 0, 6)))
                    .isTrue();
        }
    }

    @Test
    void numbersAreDrawnForEverySequence() {
        try (TensorScope scope = new TensorScope();
                Context context = context(1, 1, 5, 6)) {
            assertThatThrownBy(() -> context.random("x").uniform(3, 4)).hasMessageContaining("each of the 2 sequences");
        }
    }

    private static Context context(long seed, long step, long... samples) {
        return new Context(new Context.Place(seed, step, samples, new Device("cpu")), name -> {
            throw new AssertionError(name);
        });
    }

    private static float[][] draw(Context owned, String purpose, int rows, int width) {
        try (TensorScope scope = new TensorScope();
                Context context = owned) {
            Tensor drawn = context.random(purpose).uniform(rows, width);
            float[][] values = new float[rows][width];
            FloatBuffer buffer = drawn.createBuffer();
            for (float[] row : values) {
                buffer.get(row);
            }
            return values;
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.bytedeco.pytorch.AdamOptions;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.outline.UnitOutline;
import org.chorale.model.outline.UnitOutline.ParameterOutline;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.optimizer.OptimizerConfig.Algorithm;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.FsdpUnit;
import org.chorale.training.shard.Precision;
import org.chorale.training.shard.UnitLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Every optimizer against its textbook formulas, against libtorch's own, and at its gate. */
final class OptimizerTest {
    private static final int STEPS = 50;
    private static final double RATE = 1e-2;
    private static final double DECAY = 0.1;
    private static final int DIVISOR = 4; // exact in binary: dividing by it rounds nothing

    private static final UnitOutline UNIT = new UnitOutline(
            "block",
            List.of(
                    ParameterOutline.of("proj.weight", 9, 11),
                    ParameterOutline.of("proj.bias", 9),
                    ParameterOutline.of("frozen", 5).frozen(),
                    ParameterOutline.of("norm.weight", 70),
                    ParameterOutline.of("out.weight", 3)));

    @ParameterizedTest
    @CsvSource({"ADAMW,0,false", "ADAM,0,false", "SGD,0,false", "SGD,0.9,false", "SGD,0.9,true", "LION,0,false"})
    void fiftyStepsFollowTheTextbook(Algorithm type, double momentum, boolean nesterov) {
        OptimizerConfig config = config(type, momentum, nesterov, List.of());
        try (Bench bench = new Bench(Precision.FP32, config)) {
            double[] weights = doubles(bench.group.master());
            Textbook textbook = new Textbook(config, weights.length);
            for (int step = 1; step <= STEPS; step++) {
                float[] gradient = bench.step(step);
                textbook.step(weights, gradient, step);
            }
            assertThat(doubles(bench.group.master())).containsExactly(weights, within(2e-5));
        }
    }

    @ParameterizedTest
    @CsvSource({"ADAMW,0,false", "ADAM,0,false", "SGD,0,false", "SGD,0.9,false", "SGD,0.9,true"})
    void fiftyStepsGiveWhatLibtorchsOwnOptimizerGives(Algorithm type, double momentum, boolean nesterov) {
        try (TensorScope scope = new TensorScope();
                Bench bench = new Bench(Precision.FP32, config(type, momentum, nesterov, List.of()))) {
            Tensor leaf = bench.group.master().clone();
            leaf.set_requires_grad(true);
            org.bytedeco.pytorch.Optimizer reference = libtorchs(type, leaf, momentum, nesterov);
            for (int step = 1; step <= STEPS; step++) {
                float[] gradient = bench.step(step);
                reference.zero_grad();
                leaf.mul(ofFloats(gradient)).sum().backward();
                reference.step();
            }
            assertThat(doubles(bench.group.master())).containsExactly(doubles(leaf.detach()), within(1e-5));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"ADAMW", "ADAM"})
    void bf16WeightsWithoutOtherMastersFollowTheTextbookToHalfTheirLastPlace(Algorithm type) {
        OptimizerConfig config = config(type, 0, false, List.of());
        try (TensorScope scope = new TensorScope();
                Bench bench = new Bench(Precision.BF16_TRUE, config)) {
            double[] weights = doubles(bench.group.master().to(ScalarType.Float));
            float[] gradient = bench.step(1);
            new Textbook(config, weights.length).step(weights, gradient, 1);
            double[] moved = doubles(bench.group.master().to(ScalarType.Float));
            for (int i = 0; i < moved.length; i++) {
                double halfOfLastPlace = Math.abs(weights[i]) / 256;
                assertThat(moved[i]).isCloseTo(weights[i], within(halfOfLastPlace + 1e-6));
            }
            assertThat(bench.optimizer.moments().get(AdamW.FIRST_MOMENT))
                    .allMatch(moments -> moments.scalar_type().intern() == ScalarType.BFloat16);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aStepThatIsNotFiniteTouchesNoBit(Algorithm type) {
        try (TensorScope scope = new TensorScope();
                Bench bench = new Bench(Precision.BF16, config(type, 0.9, false, List.of()))) {
            bench.step(1);
            List<double[]> before = bench.everything();
            bench.group.gradients().fill_(Scalars.of(Double.NaN));
            bench.optimizer.step(RATE, scalar(Float.NaN), scalar(1));
            assertThat(bench.everything()).usingRecursiveComparison().isEqualTo(before);
            bench.step(2);
            assertThat(bench.everything().get(0)).as("the next step goes on").isNotEqualTo(before.get(0));
        }
    }

    @ParameterizedTest
    @EnumSource
    void theCopyThatComputesFollowsTheMasterWeights(Algorithm type) {
        try (TensorScope scope = new TensorScope();
                Bench bench = new Bench(Precision.BF16, config(type, 0.9, false, List.of()))) {
            bench.step(1);
            Tensor rounded = bench.group.master().to(ScalarType.BFloat16);
            assertThat(doubles(bench.group.values().orElseThrow().to(ScalarType.Float)))
                    .isEqualTo(doubles(rounded.to(ScalarType.Float)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void eachGroupIsTrainedAsIfItWereAlone(Algorithm type) {
        ParameterGroup biases = group(List.of("**.bias"), 0.5, 0.0);
        ParameterGroup norms = group(List.of("norm.*", "**.bias"), 2, 0.3);
        try (Bench grouped = new Bench(Precision.FP32, config(type, 0.9, false, List.of(biases, norms)));
                Bench plain = new Bench(Precision.FP32, config(type, 0.9, false, List.of()));
                Bench likeBiases =
                        new Bench(Precision.FP32, config(type, 0.9, false, List.of(group(List.of("**"), 0.5, 0.0))));
                Bench likeNorms =
                        new Bench(Precision.FP32, config(type, 0.9, false, List.of(group(List.of("**"), 2, 0.3))))) {
            for (int step = 1; step <= 5; step++) {
                for (Bench bench : List.of(grouped, plain, likeBiases, likeNorms)) {
                    bench.step(step);
                }
            }
            assertThat(grouped.weights("proj.weight")).isEqualTo(plain.weights("proj.weight"));
            assertThat(grouped.weights("out.weight")).isEqualTo(plain.weights("out.weight"));
            assertThat(grouped.weights("proj.bias")).isEqualTo(likeBiases.weights("proj.bias"));
            assertThat(grouped.weights("norm.weight")).isEqualTo(likeNorms.weights("norm.weight"));
            assertThat(grouped.weights("norm.weight")).isNotEqualTo(plain.weights("norm.weight"));
        }
    }

    @Test
    void withoutGroupsABufferIsOneRunAndWithThemRunsAreAsLongAsCanBe() {
        List<UnitLayout.Group> buffers = List.of(
                UnitLayout.whole(UNIT).groups().get(0),
                UnitLayout.whole(UNIT).groups().get(0));
        Hyperparameters usual = new Hyperparameters(1, DECAY);
        assertThat(ParameterRun.cut(config(Algorithm.ADAMW, 0, false, List.of()), buffers))
                .containsOnlyKeys(usual)
                .containsEntry(usual, List.of(new ParameterRun(0, 0, 384), new ParameterRun(1, 0, 384)));
        OptimizerConfig grouped =
                config(Algorithm.ADAMW, 0, false, List.of(group(List.of("proj.bias", "norm.weight"), 2, 0.0)));
        assertThat(ParameterRun.cut(grouped, buffers.subList(0, 1)))
                .containsEntry(usual, List.of(new ParameterRun(0, 0, 128), new ParameterRun(0, 320, 384)))
                .containsEntry(new Hyperparameters(2, 0), List.of(new ParameterRun(0, 128, 320)));
    }

    @Test
    void aPartOfABufferIsCutIntoWhatItHoldsOfEachRunAndCountsFromItsOwnStart() {
        OptimizerConfig grouped =
                config(Algorithm.ADAMW, 0, false, List.of(group(List.of("proj.bias", "norm.weight"), 2, 0.0)));
        Hyperparameters usual = new Hyperparameters(1, DECAY);
        Hyperparameters other = new Hyperparameters(2, 0);
        assertThat(ParameterRun.cut(grouped, List.of(part(0, 192))))
                .containsOnlyKeys(usual, other)
                .containsEntry(usual, List.of(new ParameterRun(0, 0, 128)))
                .containsEntry(other, List.of(new ParameterRun(0, 128, 192)));
        assertThat(ParameterRun.cut(grouped, List.of(part(192, 384))))
                .containsOnlyKeys(usual, other)
                .containsEntry(other, List.of(new ParameterRun(0, 0, 128)))
                .containsEntry(usual, List.of(new ParameterRun(0, 128, 192)));
        assertThat(ParameterRun.cut(grouped, List.of(part(128, 320))))
                .as("an entry that gets parameters on other ranks is no mistake")
                .containsOnlyKeys(other);
        assertThat(ParameterRun.cut(grouped, List.of(part(384, 384)))).isEmpty();
    }

    private static UnitLayout.Group part(long from, long until) {
        UnitLayout.Group whole = UnitLayout.whole(UNIT).groups().get(0);
        return whole.cut(whole.elements(), from, until);
    }

    @Test
    void aGroupThatGetsNoParameterIsRefusedWithItsPlace() {
        List<UnitLayout.Group> buffers = List.of(UnitLayout.whole(UNIT).groups().get(0));
        List<ParameterGroup> groups = List.of(
                group(List.of("**.bias"), 1, 0), group(List.of("proj.b*"), 1, 0), group(List.of("frozen"), 1, 0));
        assertThatThrownBy(() -> ParameterRun.cut(config(Algorithm.SGD, 0, false, groups), buffers))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("""
                        optimizer.groups[1].match = [proj.b*]: no parameter that is trained matches, or an entry before it has them all
                        optimizer.groups[2].match = [frozen]: no parameter that is trained matches, or an entry before it has them all""");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            SGD   | beta1    | 0.9  | optimizer.beta1 = 0.9: optimizer.type = sgd does not read it, only adamw or adam or lion does
            LION  | epsilon  | 1e-8 | optimizer.epsilon = 1.0E-8: optimizer.type = lion does not read it, only adamw or adam does
            ADAMW | momentum | 0.9  | optimizer.momentum = 0.9: optimizer.type = adamw does not read it, only sgd does
            SGD   | momentum | 1    | optimizer.momentum = 1.0: must be from 0 to below 1
            ADAM  | beta1    | -0.1 | optimizer.beta1 = -0.1: must be from 0 to below 1
            ADAM  | epsilon  | 0    | optimizer.epsilon = 0.0: must be above 0
            SGD   | nesterov | 1    | optimizer.nesterov = true: optimizer.momentum must be above 0
            SGD   | factor   | -1   | optimizer.groups[0].learning-rate-factor = -1.0: must be 0 or above
            """)
    void whatATypeDoesNotReadOrIsOutOfRangeIsRefused(Algorithm type, String key, double value, String message) {
        assertThatThrownBy(() -> new OptimizerConfig(
                        type,
                        RATE,
                        only(key, "beta1", value),
                        Optional.empty(),
                        only(key, "epsilon", value),
                        only(key, "momentum", value),
                        only(key, "nesterov", value).map(one -> true),
                        DECAY,
                        1,
                        Optional.empty(),
                        only(key, "factor", value).stream()
                                .map(factor -> group(List.of("a"), factor, 0))
                                .toList()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    /** Two trained buffers' worth of weights in one unit, an optimizer over them, and gradients for it. */
    private static final class Bench implements AutoCloseable {
        final FsdpUnit unit;
        final FlatGroup group;
        final Optimizer optimizer;

        Bench(Precision precision, OptimizerConfig config) {
            unit = new FsdpUnit(UnitLayout.whole(UNIT, precision));
            group = unit.groups().get(0);
            optimizer = Optimizer.of(config, List.of(group));
            try (TensorScope scope = new TensorScope()) {
                group.master().copy_(ofFloats(random(0)));
            }
            group.refresh();
        }

        /** @return the gradient of that step */
        float[] step(int step) {
            try (TensorScope scope = new TensorScope()) {
                float[] gradient = random(step);
                group.gradients().copy_(ofFloats(gradient).mul_(Scalars.of(DIVISOR)));
                optimizer.step(RATE, scalar(DIVISOR), scalar(0));
                return gradient;
            }
        }

        float[] random(int seed) {
            Random random = new Random(seed);
            float[] values = new float[(int) group.layout().elements()];
            group.layout().segments().forEach(segment -> {
                for (int i = 0; i < segment.elements(); i++) { // padding stays zero
                    values[(int) segment.offset() + i] = (float) random.nextGaussian();
                }
            });
            return values;
        }

        double[] weights(String parameter) {
            try (TensorScope scope = new TensorScope()) {
                return group.layout().segments().stream()
                        .filter(segment -> segment.parameter().equals(parameter))
                        .map(segment ->
                                doubles(FlatGroup.view(group.master(), segment).contiguous()))
                        .findFirst()
                        .orElseThrow();
            }
        }

        /** Master weights first. */
        List<double[]> everything() {
            try (TensorScope scope = new TensorScope()) {
                List<double[]> all = new ArrayList<>(List.of(
                        doubles(group.master()),
                        doubles(group.values().orElseThrow().to(ScalarType.Float))));
                optimizer.moments().values().forEach(kind -> kind.forEach(flat -> all.add(doubles(flat))));
                optimizer.counters().values().forEach(counter -> all.add(doubles(counter)));
                return all;
            }
        }

        @Override
        public void close() {
            optimizer.close();
            unit.close();
        }
    }

    /** The formulas as the papers print them, in fp64, one number after the other. */
    private static final class Textbook {
        private final OptimizerConfig config;
        private final double[] m;
        private final double[] v;

        Textbook(OptimizerConfig config, int elements) {
            this.config = config;
            this.m = new double[elements];
            this.v = new double[elements];
        }

        void step(double[] w, float[] gradient, int t) {
            for (int i = 0; i < w.length; i++) {
                switch (config.type()) {
                    case ADAMW -> w[i] = w[i] * (1 - RATE * DECAY) - adam(i, gradient[i], t);
                    case ADAM -> w[i] -= adam(i, gradient[i] + DECAY * w[i], t);
                    case SGD -> w[i] -= RATE * sgd(i, gradient[i] + DECAY * w[i]);
                    case LION -> w[i] = w[i] * (1 - RATE * DECAY) - RATE * lion(i, gradient[i]);
                }
            }
        }

        private double adam(int i, double g, int t) {
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            return RATE * (m[i] / (1 - Math.pow(0.9, t))) / (Math.sqrt(v[i] / (1 - Math.pow(0.999, t))) + 1e-8);
        }

        private double sgd(int i, double g) {
            double momentum = config.momentum().orElseThrow();
            m[i] = momentum * m[i] + g;
            return config.nesterov().orElseThrow() ? g + momentum * m[i] : m[i];
        }

        private double lion(int i, double g) {
            double sign = Math.signum(0.9 * m[i] + 0.1 * g);
            m[i] = 0.99 * m[i] + 0.01 * g;
            return sign;
        }
    }

    private static org.bytedeco.pytorch.Optimizer libtorchs(
            Algorithm type, Tensor leaf, double momentum, boolean nesterov) {
        TensorVector leaves = new TensorVector(leaf);
        return switch (type) {
            case ADAMW -> {
                AdamWOptions options = new AdamWOptions(RATE);
                options.weight_decay().put(DECAY);
                yield new org.bytedeco.pytorch.AdamW(leaves, options);
            }
            case ADAM -> {
                AdamOptions options = new AdamOptions(RATE);
                options.weight_decay().put(DECAY);
                yield new org.bytedeco.pytorch.Adam(leaves, options);
            }
            case SGD -> {
                SGDOptions options = new SGDOptions(RATE);
                options.weight_decay().put(DECAY);
                options.momentum().put(momentum);
                options.nesterov().put(nesterov);
                yield new org.bytedeco.pytorch.SGD(leaves, options);
            }
            case LION -> throw new IllegalArgumentException("libtorch has no Lion");
        };
    }

    private static OptimizerConfig config(
            Algorithm type, double momentum, boolean nesterov, List<ParameterGroup> groups) {
        boolean sgd = type == Algorithm.SGD;
        return new OptimizerConfig(
                type,
                RATE,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                sgd ? Optional.of(momentum) : Optional.empty(),
                sgd ? Optional.of(nesterov) : Optional.empty(),
                DECAY,
                1,
                Optional.empty(),
                groups);
    }

    private static ParameterGroup group(List<String> match, double factor, double decay) {
        return new ParameterGroup(match, Optional.of(factor), Optional.of(decay));
    }

    private static Optional<Double> only(String key, String wanted, double value) {
        return key.equals(wanted) ? Optional.of(value) : Optional.empty();
    }

    private static Tensor scalar(float value) {
        return HostTensors.zeros(ScalarType.Float, 1).fill_(Scalars.of(value));
    }

    private static Tensor ofFloats(float[] values) {
        Tensor tensor = HostTensors.empty(ScalarType.Float, values.length);
        tensor.<FloatBuffer>createBuffer().put(values);
        return tensor;
    }

    private static double[] doubles(Tensor tensor) {
        float[] values = new float[(int) tensor.numel()];
        tensor.<FloatBuffer>createBuffer().get(values);
        double[] wide = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            wide[i] = values[i];
        }
        return wide;
    }
}

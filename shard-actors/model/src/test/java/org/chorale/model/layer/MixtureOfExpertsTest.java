// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A mixture gives what all experts on all rows would, those that a row was not sent to left out; one by one where its
 * parameters lie apart, and all at once where they follow each other.
 */
@ExtendWith(ScopedTensors.class)
final class MixtureOfExpertsTest {
    private static final int WIDTH = 4;
    private static final int INNER = 6;
    private static final long ELEMENTS = 2_000; // of all parameters at most

    private GradientCheck check = new GradientCheck();

    @ParameterizedTest
    @CsvSource({
        "10, 4, 2, true, false",
        "10, 4, 2, true, true",
        "10, 4, 2, false, true",
        "10, 3, 1, true, true",
        "10, 3, 1, false, false",
        "7, 3, 3, true, false",
        "7, 3, 3, false, true",
        "2, 8, 1, false, false",
        "2, 8, 1, false, true",
        "2, 8, 3, true, true",
        "1, 4, 2, true, true",
        "9, 1, 1, false, true"
    })
    void forwardAndBackwardAreThoseOfThePlainFormula(
            int rows, int experts, int chosen, boolean normalised, boolean even) {
        lay(even);
        MixtureOfExperts mixture = mixture(experts, chosen, normalised, 0, 0);
        check.check(
                layer(mixture, new SequenceContext(1, rows, List.of(), null)),
                GradientCheck.random(rows, WIDTH),
                in -> plain(in, chosen, normalised));
        assertThat(isGrouped(mixture, null)).isEqualTo(even);
    }

    @ParameterizedTest
    @CsvSource({"0, true, false", "0, true, true", "0.4, true, true", "0, false, true"})
    void adaptersOnRouterAndExpertsAreInTheGradient(double dropout, boolean normalised, boolean even) {
        int rows = 8;
        lay(even);
        MixtureOfExperts mixture = mixture(4, 2, normalised, 2, dropout);
        SequenceContext context = new SequenceContext(2, rows / 2, List.of(), null)
                .withDropout(DropoutKeys.of(1, 2, new long[] {3, 4}, rows / 2));
        if (dropout == 0) {
            check.check(layer(mixture, context), GradientCheck.random(rows, WIDTH), in -> adapted(in, 2, normalised));
        } else {
            check.differences(layer(mixture, context), GradientCheck.random(rows, WIDTH));
        }
        assertThat(isGrouped(mixture, context.dropout())).isEqualTo(even && dropout == 0);
    }

    @Test
    void expertsWhoseAdaptersDifferAreComputedOneByOne() {
        lay(true);
        List<GatedFeedForward> experts = List.of(expert(0, 2, 0), expert(1, 3, 0));
        assertThat(GroupedExperts.of(experts)).isEmpty();
        assertThat(GroupedExperts.of(List.of(experts.get(0), expert(2, 0, 0)))).isEmpty();
        assertThat(GroupedExperts.of(List.of(experts.get(0), expert(3, 2, 0)))).isPresent();
    }

    @Test
    void expertsThatLieUnevenlyAreComputedOneByOne() {
        lay(true);
        List<GatedFeedForward> experts = new ArrayList<>(List.of(expert(0, 0, 0), expert(1, 0, 0)));
        check.parameter("between", 1, 8);
        experts.add(expert(2, 0, 0));
        MixtureOfExperts mixture = new MixtureOfExperts(linear("router", 3, WIDTH, 0, 0), experts, 2, true);
        assertThat(isGrouped(mixture, null)).isFalse();
        assertThat(isGrouped(new MixtureOfExperts(linear("two", 2, WIDTH, 0, 0), experts.subList(0, 2), 1, true), null))
                .isTrue();
    }

    private void lay(boolean even) {
        check = even ? new GradientCheck(ELEMENTS) : new GradientCheck();
    }

    private static boolean isGrouped(MixtureOfExperts mixture, @Nullable DropoutKeys dropout) {
        return mixture.way(dropout) instanceof GroupedExperts;
    }

    @Test
    void whatARowDropsDoesNotDependOnTheRowsBesideIt() {
        MixtureOfExperts mixture = mixture(4, 2, true, 2, 0.4);
        Tensor x = GradientCheck.random(6, WIDTH);
        SequenceContext both =
                new SequenceContext(2, 3, List.of(), null).withDropout(DropoutKeys.of(1, 2, new long[] {3, 4}, 3));
        SequenceContext second =
                new SequenceContext(1, 3, List.of(), null).withDropout(DropoutKeys.of(1, 2, new long[] {4}, 3));
        try (Tape dropped = new Tape()) {
            Tensor together = mixture.forward(x, both, dropped).narrow(0, 3, 3);
            Tensor alone = mixture.forward(x.narrow(0, 3, 3), second, dropped);
            assertThat(together.sub(alone).abs().max().item_double()).isLessThan(1e-12);
            Tensor whole = mixture.forward(x, new SequenceContext(2, 3, List.of(), null), dropped);
            assertThat(whole.narrow(0, 3, 3).sub(alone).abs().max().item_double())
                    .isGreaterThan(1e-3);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void anExpertWithoutRowsHasAGradientOfZero(boolean even) {
        lay(even);
        Linear router = new Linear(check.parameter("router", 3, WIDTH), null);
        List<Parameter> downs = new ArrayList<>();
        MixtureOfExperts mixture = new MixtureOfExperts(
                router,
                IntStream.range(0, 3)
                        .mapToObj(i -> {
                            Parameter down = check.parameter("down" + i, WIDTH, INNER);
                            downs.add(down);
                            return new GatedFeedForward(
                                    new SideBySide(linear("gate" + i), linear("up" + i)),
                                    new Linear(down, null),
                                    Activation.SILU);
                        })
                        .toList(),
                1,
                false);
        Tensor x = GradientCheck.random(5, WIDTH).abs();
        router.weight().value().zero_().select(0, 1).fill_(Scalars.of(1)); // all rows go to the second expert
        downs.forEach(Parameter::clearGradient);
        SequenceContext context = new SequenceContext(1, 5, List.of(), null);
        try (Tape tape = new Tape()) {
            mixture.backward(mixture.forward(x, context, tape), x, context, tape);
        }
        assertThat(downs.stream()
                        .map(down -> Objects.requireNonNull(down.gradient())
                                .count_nonzero()
                                .item_long()))
                .containsExactly(0L, (long) WIDTH * INNER, 0L);
    }

    @ParameterizedTest
    @CsvSource({"0.4, false", "0, true"})
    void whatIsSavedOnceMoreIsWhatTheForwardSaved(double dropout, boolean even) {
        lay(even);
        MixtureOfExperts mixture = mixture(4, 2, true, 2, dropout);
        Tensor x = GradientCheck.random(6, WIDTH);
        Tensor dy = GradientCheck.random(6, WIDTH);
        SequenceContext context =
                new SequenceContext(1, 6, List.of(), null).withDropout(DropoutKeys.of(1, 2, new long[] {3}, 6));
        try (Tape tape = new Tape();
                Tape again = new Tape()) {
            mixture.forward(x, context, tape);
            mixture.again(x, context, again);
            assertThat(again.bytes()).isEqualTo(tape.bytes());
            Tensor dx = mixture.backward(dy, x, context, tape);
            assertThat(mixture.backward(dy, x, context, again).equal(dx)).isTrue();
        }
    }

    @Test
    void aRouterIsCountedAndCorrectedWhereRowsCount() {
        MixtureOfExperts mixture = mixture(4, 2, true, 0, 0);
        Tensor x = GradientCheck.random(6, WIDTH);
        Tensor dy = GradientCheck.random(6, WIDTH);
        Tensor counted = HostTensors.ofDoubles(new double[] {1, 1, 0, 1, 0, 1}, 6, 1);
        Tensor sums = HostTensors.zeros(ScalarType.Double, 2, 4);
        Tensor slope = GradientCheck.random(1, 4);
        SequenceContext plain = new SequenceContext(1, 6, List.of(), null);
        try (Tape tape = new Tape()) {
            mixture.forward(x, plain.withBalance(RouterBalance.counting(counted, sums)), tape);
            Tensor dx = mixture.backward(dy, x, plain.withBalance(RouterBalance.correcting(counted, slope)), tape);

            Tensor leaf = x.detach().clone();
            leaf.set_requires_grad(true);
            Tensor router = check.parameters().get(0).value();
            Tensor probabilities = torch.softmax(leaf.mm(router.t()), 1);
            assertThat(sums.select(0, 0).sum().item_double()).isEqualTo(2 * 4);
            assertThat(distance(
                            sums.select(0, 1),
                            counted.t().mm(probabilities.detach()).view(-1)))
                    .isLessThan(1e-12);
            mixture.forward(x, plain, tape);
            Tensor withoutLoss = mixture.backward(dy, x, plain, tape);
            probabilities.mul(counted).mul(slope).sum().backward();
            assertThat(distance(dx.sub(withoutLoss), leaf.grad())).isLessThan(1e-12);
        }
    }

    @ParameterizedTest
    @CsvSource({"0.4, false", "0, true"})
    void nativeMemoryStaysFlat(double dropout, boolean even) {
        lay(even);
        MixtureOfExperts mixture = mixture(4, 2, true, 2, dropout);
        Tensor x = GradientCheck.random(6, WIDTH);
        SequenceContext context =
                new SequenceContext(1, 6, List.of(), null).withDropout(DropoutKeys.of(1, 2, new long[] {3}, 6));
        pass(mixture, x, context);
        long live = NativeMemory.liveReferences();
        for (int i = 0; i < 3; i++) {
            pass(mixture, x, context);
            assertThat(NativeMemory.liveReferences()).isEqualTo(live);
        }
    }

    private static void pass(MixtureOfExperts mixture, Tensor x, SequenceContext context) {
        try (TensorScope scope = new TensorScope();
                Tape tape = new Tape()) {
            mixture.backward(mixture.forward(x, context, tape), x, context, tape);
            mixture.again(x, context, tape);
        }
    }

    private static GradientCheck.Layer layer(MixtureOfExperts mixture, SequenceContext context) {
        return new GradientCheck.Layer() {
            @Override
            public Tensor forward(Tensor x, Tape tape) {
                Tensor y = mixture.forward(x, context, tape);
                tape.push(x);
                return y;
            }

            @Override
            public Tensor backward(Tensor dy, Tape tape) {
                return mixture.backward(dy, tape.pop(), context, tape);
            }
        };
    }

    /** @param rank of the adapters on all linears; 0 for none */
    private MixtureOfExperts mixture(int experts, int chosen, boolean normalised, int rank, double dropout) {
        Linear router = linear("router", experts, WIDTH, rank, dropout);
        return new MixtureOfExperts(
                router,
                IntStream.range(0, experts)
                        .mapToObj(i -> expert(i, rank, dropout))
                        .toList(),
                chosen,
                normalised);
    }

    private GatedFeedForward expert(int number, int rank, double dropout) {
        return new GatedFeedForward(
                new SideBySide(
                        linear("gate" + number, INNER, WIDTH, rank, dropout),
                        linear("up" + number, INNER, WIDTH, rank, dropout)),
                linear("down" + number, WIDTH, INNER, rank, dropout),
                Activation.SILU);
    }

    private Linear linear(String name) {
        return linear(name, INNER, WIDTH, 0, 0);
    }

    private Linear linear(String name, long outputs, long inputs, int rank, double dropout) {
        Parameter weight = check.parameter(name, outputs, inputs);
        if (rank == 0) {
            return new Linear(weight, null);
        }
        Parameter down = check.parameter(name + ".A", rank, inputs);
        Parameter up = check.parameter(name + ".B", outputs, rank);
        return new Linear(weight, null, new LowRank(down, up, rank, 0.5, dropout));
    }

    /** @param in x, and then weights: of the router, and of each expert's gate, up and down */
    private static Tensor plain(Tensor[] in, int chosen, boolean normalised) {
        Tensor probabilities = torch.softmax(in[0].mm(in[1].t()), 1);
        Tensor experts = torch.topk(probabilities, chosen, 1, true, true).get1();
        Tensor kept = probabilities.mul(torch.zeros_like(probabilities).scatter_(1, experts, Scalars.of(1)));
        Tensor weights = normalised ? kept.div(kept.sum(new long[] {1}, true, new ScalarTypeOptional())) : kept;
        Tensor y = torch.zeros_like(in[0]);
        for (int i = 2; i < in.length; i += 3) {
            Tensor inner = PlainFormulas.gated(in[0].mm(in[i].t()), in[0].mm(in[i + 1].t()));
            y = y.add(inner.mm(in[i + 2].t()).mul(weights.narrow(1, (i - 2) / 3, 1)));
        }
        return y;
    }

    /** @param in x, and then W, A and B of every linear */
    private static Tensor adapted(Tensor[] in, int chosen, boolean normalised) {
        Tensor[] merged = new Tensor[1 + (in.length - 1) / 3];
        merged[0] = in[0];
        for (int i = 1; i < merged.length; i++) {
            int at = 3 * i - 2;
            merged[i] = in[at].add(in[at + 2].mm(in[at + 1]).mul(Scalars.of(0.5)));
        }
        return plain(merged, chosen, normalised);
    }

    private static double distance(Tensor a, Tensor b) {
        return a.sub(b).abs().max().item_double();
    }
}

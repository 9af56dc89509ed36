// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * In bf16 and fp16 every layer is at most twice as far from fp64 as the same formula in libtorch's operators and
 * autograd, output and gradients alike; gradients of parameters are fp32.
 */
@ExtendWith(ScopedTensors.class)
final class PrecisionTest {
    private static final long SEQUENCES = 3;
    private static final long TOKENS = 32;
    private static final long ROWS = SEQUENCES * TOKENS;
    private static final SequenceContext ALONE = new SequenceContext(1, ROWS, List.of(), null);

    private final List<Parameter> parameters = new ArrayList<>();
    private ScalarType type = ScalarType.BFloat16;

    enum Half {
        BFLOAT16(ScalarType.BFloat16),
        FLOAT16(ScalarType.Half);

        private final ScalarType type;

        Half(ScalarType type) {
            this.type = type;
        }
    }

    @ParameterizedTest
    @EnumSource
    void linearIsAsExactAsAutograd(Half half) {
        type = half.type;
        Linear linear = linear("linear", 48, 40);
        check(
                (x, tape) -> {
                    tape.push(x);
                    return linear.forward(x);
                },
                (dy, tape) -> linear.backward(dy, tape.pop()),
                40,
                in -> PlainFormulas.linear(in[0], in[1], in[2]));
    }

    @ParameterizedTest
    @EnumSource
    void rmsNormIsAsExactAsAutograd(Half half) {
        type = half.type;
        RmsNorm norm = new RmsNorm(parameter("weight", 40), 1e-5);
        check(norm::forward, norm::backward, 40, in -> PlainFormulas.rmsNorm(in[0], in[1], 1e-5));
    }

    @ParameterizedTest
    @EnumSource
    void swiGluIsAsExactAsAutograd(Half half) {
        type = half.type;
        FeedForward network = new GatedFeedForward(
                new SideBySide(linear("gate", 48, 40), linear("up", 48, 40)), linear("down", 40, 48), Activation.SILU);
        check(
                saving((x, tape) -> network.forward(x, ALONE, tape)),
                (dy, tape) -> network.backward(dy, tape.pop(), ALONE, tape),
                40,
                in -> {
                    Tensor gate = PlainFormulas.linear(in[0], in[1], in[2]);
                    Tensor raised = PlainFormulas.linear(in[0], in[3], in[4]);
                    return PlainFormulas.linear(PlainFormulas.gated(gate, raised), in[5], in[6]);
                });
    }

    @ParameterizedTest
    @EnumSource
    void attentionIsAsExactAsAutograd(Half half) {
        type = half.type;
        Attention attention = new Attention(
                new SideBySide(linear("query", 32, 40), linear("key", 16, 40), linear("value", 16, 40)),
                linear("output", 40, 32),
                HeadShape.of(4, 2, 8),
                null,
                null,
                new FlashAttention());
        Tensor angles = torch.randn(TOKENS, 1, 4);
        SequenceContext context = new SequenceContext(
                SEQUENCES,
                TOKENS,
                List.of(new Rotary(angles.cos().to(type), angles.sin().to(type))),
                null);
        check(
                saving((x, tape) -> attention.forward(x, context, tape)),
                (dy, tape) -> attention.backward(dy, tape.pop(), context, tape),
                40,
                in -> {
                    Rotary rotary = new Rotary(
                            context.rotary(0).cosine().to(in[0].scalar_type()),
                            context.rotary(0).sine().to(in[0].scalar_type()));
                    Tensor q = PlainFormulas.heads(PlainFormulas.linear(in[0], in[1], in[2]), SEQUENCES, 8, rotary);
                    Tensor k = PlainFormulas.heads(PlainFormulas.linear(in[0], in[3], in[4]), SEQUENCES, 8, rotary);
                    Tensor v = PlainFormulas.heads(PlainFormulas.linear(in[0], in[5], in[6]), SEQUENCES, 8, null);
                    Tensor mixed = PlainFormulas.attention(q, k, v, PlainFormulas.causal(TOKENS));
                    return PlainFormulas.linear(mixed.reshape(ROWS, 32), in[7], in[8]);
                });
    }

    @Test
    void embeddingGradientsAddUpInFp32() {
        Parameter table = parameter("table", 5, 3);
        Tensor ones = torch.ones(512, 3).to(type);
        new Embedding(table, 1).backward(ones, HostTensors.zeros(ScalarType.Long, 512));
        Tensor gradient = Objects.requireNonNull(table.gradient());
        assertThat(gradient.select(0, 0).max().item_double()).isEqualTo(512); // bf16 would stop at 256
    }

    @Test
    void frozenParametersHaveNoGradientAndChangeNothingElse() {
        Tensor x = random(ROWS, 40);
        Tensor dy = random(ROWS, 48);
        Parameter weight = parameter("weight", 48, 40);
        Parameter bias = parameter("bias", 48);
        Tensor dx = new Linear(weight, bias).backward(dy, x);
        Parameter frozenWeight = new Parameter("weight", weight.value(), null);
        Parameter frozenBias = new Parameter("bias", bias.value(), null);
        assertThat(new Linear(frozenWeight, frozenBias).backward(dy, x).equal(dx))
                .isTrue();

        Tensor biasGradient = Objects.requireNonNull(bias.gradient()).clone();
        new Linear(frozenWeight, bias).backward(dy, x);
        assertThat(Objects.requireNonNull(bias.gradient()).equal(biasGradient.mul(Scalars.of(2))))
                .isTrue();
    }

    private interface Pass {
        Tensor run(Tensor x, Tape tape);
    }

    /** A forward whose input the layer around it saves. */
    private static Pass saving(Pass forward) {
        return (x, tape) -> {
            Tensor y = forward.run(x, tape);
            tape.push(x);
            return y;
        };
    }

    private void check(Pass forward, Pass backward, long width, Function<Tensor[], Tensor> formula) {
        Tensor x = random(ROWS, width);
        List<Tensor> values = new ArrayList<>(List.of(x));
        parameters.forEach(parameter -> values.add(parameter.value()));
        List<Tensor> ours = new ArrayList<>();
        Tensor dy;
        try (Tape tape = new Tape()) {
            Tensor y = forward.run(x, tape);
            dy = random(y.shape());
            ours.add(y);
            ours.add(backward.run(dy, tape));
        }
        parameters.forEach(parameter -> ours.add(Objects.requireNonNull(parameter.gradient())));
        List<Tensor> exact = plain(values, ScalarType.Double, dy, formula);
        List<Tensor> plain = plain(values, type, dy, formula);
        for (int i = 0; i < ours.size(); i++) {
            String what =
                    i == 0 ? "output" : i == 1 ? "dx" : parameters.get(i - 2).name();
            assertThat(distance(ours.get(i), exact.get(i)))
                    .as(what)
                    .isLessThanOrEqualTo(2 * distance(plain.get(i), exact.get(i)));
        }
    }

    /** Output and then the gradients of all leaves. */
    private static List<Tensor> plain(
            List<Tensor> values, ScalarType type, Tensor dy, Function<Tensor[], Tensor> formula) {
        Tensor[] leaves = PlainFormulas.leaves(values, type);
        Tensor y = formula.apply(leaves);
        y.mul(dy.to(type)).to(ScalarType.Double).sum().backward();
        List<Tensor> results = new ArrayList<>(List.of(y.detach()));
        for (Tensor leaf : leaves) {
            results.add(new Tensor(leaf.grad()));
        }
        return results;
    }

    private static double distance(Tensor a, Tensor exact) {
        return torch.linalg_vector_norm(a.to(ScalarType.Double).sub(exact)).item_double();
    }

    private Linear linear(String name, long outputs, long inputs) {
        return new Linear(parameter(name + ".weight", outputs, inputs), parameter(name + ".bias", outputs));
    }

    private Parameter parameter(String name, long... shape) {
        Tensor value = random(shape).mul_(Scalars.of(0.3));
        Parameter parameter = new Parameter(name, value, HostTensors.zeros(ScalarType.Float, shape));
        parameters.add(parameter);
        return parameter;
    }

    private Tensor random(long... shape) {
        return torch.randn(shape).to(type);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.chorale.model.layer.GradientCheck.random;

import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ScopedTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Every layer's backward is the derivative of its forward, and its forward is the plain formula. */
@ExtendWith(ScopedTensors.class)
final class LayerGradientTest {
    private static final long SEQUENCES = 2;
    private static final long TOKENS = 5;
    private static final long ROWS = SEQUENCES * TOKENS;

    private static final SequenceContext ALONE = new SequenceContext(1, ROWS, List.of(), null);

    private final GradientCheck check = new GradientCheck();

    @Test
    void linearIsRightWithAndWithoutBias() {
        Parameter weight = check.parameter("weight", 4, 3);
        Parameter bias = check.parameter("bias", 4);
        check.check(rowLayer(new Linear(weight, bias)), random(ROWS, 3), in -> torch.addmm(in[2], in[0], in[1].t()));
        GradientCheck plain = new GradientCheck();
        plain.check(
                rowLayer(new Linear(plain.parameter("weight", 4, 3), null)),
                random(ROWS, 3),
                in -> in[0].mm(in[1].t()));
    }

    @Test
    void rmsNormIsRight() {
        RmsNorm norm = new RmsNorm(check.parameter("weight", 6), 1e-5);
        check.check(
                new GradientCheck.Layer() {
                    @Override
                    public Tensor forward(Tensor x, Tape tape) {
                        return norm.forward(x, tape);
                    }

                    @Override
                    public Tensor backward(Tensor dy, Tape tape) {
                        return norm.backward(dy, tape);
                    }
                },
                random(ROWS, 6),
                in -> PlainFormulas.rmsNorm(in[0], in[1], 1e-5));
    }

    @Test
    void swiGluIsRight() {
        FeedForward network = new GatedFeedForward(
                new SideBySide(linear("gate", 7, 4, true), linear("up", 7, 4, false)),
                linear("down", 4, 7, true),
                Activation.SILU);
        check.check(
                new GradientCheck.Layer() {
                    @Override
                    public Tensor forward(Tensor x, Tape tape) {
                        Tensor y = network.forward(x, ALONE, tape);
                        tape.push(x);
                        return y;
                    }

                    @Override
                    public Tensor backward(Tensor dy, Tape tape) {
                        return network.backward(dy, tape.pop(), ALONE, tape);
                    }
                },
                random(ROWS, 4),
                in -> {
                    Tensor gate = torch.addmm(in[2], in[0], in[1].t());
                    Tensor inner = gate.mul(gate.sigmoid()).mul(in[0].mm(in[3].t()));
                    return torch.addmm(in[5], inner, in[4].t());
                });
    }

    @Test
    void causalAttentionWithGroupedHeadsIsRight() {
        attentionIsRight(null);
    }

    @Test
    void attentionUnderAPaddingMaskIsRight() {
        Tensor hidden = torch.ones(TOKENS, TOKENS)
                .triu(1)
                .unsqueeze(0)
                .expand(SEQUENCES, TOKENS, TOKENS)
                .clone();
        hidden.select(0, 1).narrow(1, 3, 2).fill_(Scalars.of(1)); // the second sequence has three tokens
        attentionIsRight(hidden.unsqueeze(1).mul(Scalars.of(-1e30)).to(ScalarType.Double)); // [B, 1, T, T]
    }

    @Test
    void embeddingGathersAndScatters() {
        Parameter weight = check.parameter("weight", 5, 3);
        Tensor tokens = HostTensors.ofLongs(new long[] {4, 0, 4, 2}, 4);
        Embedding embedding = new Embedding(weight, 1);
        Tensor dy = random(4, 3);
        embedding.backward(dy, tokens);
        Tensor leaf = weight.value().detach().clone();
        leaf.set_requires_grad(true);
        Tensor rows = torch.embedding(leaf, tokens);
        rows.mul(dy).sum().backward();
        assertThat(Objects.requireNonNull(weight.gradient())
                        .sub(leaf.grad())
                        .abs()
                        .max()
                        .item_double())
                .isLessThan(1e-12);
        assertThat(embedding.forward(tokens).sub(rows.detach()).abs().max().item_double())
                .isZero();
    }

    /** D 6, N 4, K 2, H 4: the width of all heads is not the model's width. */
    private void attentionIsRight(@Nullable Tensor mask) {
        Attention attention = new Attention(
                new SideBySide(linear("query", 16, 6, true), linear("key", 8, 6, true), linear("value", 8, 6, true)),
                linear("output", 6, 16, true),
                HeadShape.of(4, 2, 4),
                null,
                null,
                new FlashAttention());
        Rotary rotary = new Rotary(random(TOKENS, 1, 2), random(TOKENS, 1, 2));
        SequenceContext context = new SequenceContext(SEQUENCES, TOKENS, List.of(rotary), mask);
        check.check(
                new GradientCheck.Layer() {
                    @Override
                    public Tensor forward(Tensor x, Tape tape) {
                        Tensor y = attention.forward(x, context, tape);
                        tape.push(x);
                        return y;
                    }

                    @Override
                    public Tensor backward(Tensor dy, Tape tape) {
                        return attention.backward(dy, tape.pop(), context, tape);
                    }
                },
                random(ROWS, 6),
                in -> plainAttention(in, context));
    }

    private static Tensor plainAttention(Tensor[] in, SequenceContext context) {
        Tensor q = torch.addmm(in[2], in[0], in[1].t());
        Tensor k = torch.addmm(in[4], in[0], in[3].t());
        Tensor v = torch.addmm(in[6], in[0], in[5].t());
        Tensor mask = context.mask();
        Tensor hidden = mask == null ? PlainFormulas.causal(TOKENS) : mask.lt(Scalars.of(0));
        Tensor mixed = PlainFormulas.attention(
                PlainFormulas.heads(q, SEQUENCES, 4, context.rotary(0)),
                PlainFormulas.heads(k, SEQUENCES, 4, context.rotary(0)),
                PlainFormulas.heads(v, SEQUENCES, 4, null),
                hidden);
        return torch.addmm(in[8], mixed.reshape(ROWS, 16), in[7].t());
    }

    private Linear linear(String name, long outputs, long inputs, boolean bias) {
        Parameter weight = check.parameter(name + ".weight", outputs, inputs);
        return new Linear(weight, bias ? check.parameter(name + ".bias", outputs) : null);
    }

    private static GradientCheck.Layer rowLayer(Linear linear) {
        return new GradientCheck.Layer() {
            @Override
            public Tensor forward(Tensor x, Tape tape) {
                tape.push(x);
                return linear.forward(x);
            }

            @Override
            public Tensor backward(Tensor dy, Tape tape) {
                return linear.backward(dy, tape.pop());
            }
        };
    }
}

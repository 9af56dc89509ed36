// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.Operator;
import org.chorale.tensor.TensorScope;

/**
 * Causal self-attention with rotary positions and grouped key-value heads (Ainslie et al. 2023, arXiv 2305.13245).
 *
 * <p>B batch, T tokens, R = B·T rows, D model width, N query heads, K key-value heads, H head width. The scores are
 * scaled by 1/√H and never stand in memory as a whole: libtorch's flash kernel saves their log-sum-exp.
 */
public final class Attention {
    private static final double NO_DROPOUT = 0;

    private final Operator flash = Operator.named("aten::_scaled_dot_product_flash_attention_for_cpu");
    private final Operator flashBackward = Operator.named("aten::_scaled_dot_product_flash_attention_for_cpu_backward");
    private final Linear query;
    private final Linear key;
    private final Linear value;
    private final Linear output;
    private final long headWidth;

    public Attention(Linear query, Linear key, Linear value, Linear output, long headWidth) {
        this.query = query;
        this.key = key;
        this.value = value;
        this.output = output;
        this.headWidth = headWidth;
    }

    /** [R, D] → [R, D] */
    public Tensor forward(Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor q = context.rotary().turn(heads(query.forward(x), context)); // [B, T, N, H]
            Tensor k = context.rotary().turn(heads(key.forward(x), context)); // [B, T, K, H]
            Tensor v = heads(value.forward(x), context); // [B, T, K, H]
            Tensor[] attended = flash.call(
                    headsFirst(q),
                    headsFirst(k),
                    headsFirst(v),
                    NO_DROPOUT,
                    causal(context),
                    mask(context),
                    Operator.NONE);
            Tensor mixed = attended[0]; // [B, N, T, H]
            Tensor logSumExp = attended[1];
            tape.push(x, q, k, v, mixed, logSumExp);
            return scope.keep(output.forward(rows(headsFirst(mixed), x)));
        }
    }

    /** [R, D] → [R, D] */
    public Tensor backward(Tensor dy, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor logSumExp = tape.pop();
            Tensor mixed = tape.pop();
            Tensor v = tape.pop();
            Tensor k = tape.pop();
            Tensor q = tape.pop();
            Tensor x = tape.pop();
            Tensor dMixed = heads(output.backward(dy, rows(headsFirst(mixed), x)), context); // [B, T, N, H]
            Tensor[] gradients = flashBackward.call(
                    headsFirst(dMixed),
                    headsFirst(q),
                    headsFirst(k),
                    headsFirst(v),
                    mixed,
                    logSumExp,
                    NO_DROPOUT,
                    causal(context),
                    mask(context),
                    Operator.NONE);
            Tensor dx = query.backward(rows(context.rotary().turnBack(headsFirst(gradients[0])), x), x);
            key.backward(rows(context.rotary().turnBack(headsFirst(gradients[1])), x), x, dx);
            value.backward(rows(headsFirst(gradients[2]), x), x, dx);
            return scope.keep(dx);
        }
    }

    /** [R, heads·H] → [B, T, heads, H] */
    private Tensor heads(Tensor rows, SequenceContext context) {
        return rows.view(context.sequences(), context.tokens(), -1, headWidth);
    }

    /** [B, T, heads, H] → [R, heads·H] */
    private static Tensor rows(Tensor heads, Tensor x) {
        return heads.reshape(x.size(0), heads.size(2) * heads.size(3));
    }

    /** [B, T, heads, H] ↔ [B, heads, T, H] */
    private static Tensor headsFirst(Tensor x) {
        return x.transpose(1, 2);
    }

    private static boolean causal(SequenceContext context) {
        return context.mask() == null;
    }

    private static Object mask(SequenceContext context) {
        Tensor mask = context.mask();
        return mask == null ? Operator.NONE : mask;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.FlashAttention.Attended;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * Causal self-attention with rotary positions and grouped key-value heads (Ainslie et al. 2023, arXiv 2305.13245).
 *
 * <p>B batch, T tokens, R = B·T rows, D model width, N query heads, K key-value heads, H head width. The scores are
 * scaled by 1/√H and never stand in memory as a whole: the flash kernel saves their log-sum-exp. Its own input is handed
 * to the backward by the layer around it.
 */
public final class Attention {
    private final FlashAttention flash = new FlashAttention();
    private final SideBySide inputs; // query, key and value
    private final Linear output;
    private final long headWidth;

    public Attention(Linear query, Linear key, Linear value, Linear output, long headWidth) {
        this.inputs = new SideBySide(query, key, value);
        this.output = output;
        this.headWidth = headWidth;
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    public boolean trainable() {
        return inputs.trainable() || output.trainable();
    }

    /** [R, D] → [R, D] */
    public Tensor forward(Tensor x, SequenceContext context, Tape tape) {
        return forward(x, context, tape, tape);
    }

    /**
     * Likewise.
     *
     * @param attended gets what attention gives, which {@link #again} reads
     * @param projected gets what attention reads
     */
    public Tensor forward(Tensor x, SequenceContext context, Tape attended, Tape projected) {
        try (TensorScope scope = new TensorScope()) {
            Tensor[] qkv = projected(x, context, projected);
            Attended result = flash.forward(qkv[0], qkv[1], qkv[2], context);
            Tensor y = output.forward(rows(result.mixed(), x), context.dropout(), projected);
            attended.push(result.mixed(), result.logSumExp());
            projected.push(qkv);
            return scope.keep(y);
        }
    }

    /**
     * Saves and returns once more what a forward did, without running attention again.
     *
     * @param attended of which what attention gave is taken
     */
    public Tensor again(Tensor x, SequenceContext context, Tape attended, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor logSumExp = attended.pop();
            Tensor mixed = attended.pop();
            Tensor[] qkv = projected(x, context, tape);
            Tensor y = output.forward(rows(mixed, x), context.dropout(), tape);
            tape.push(mixed, logSumExp);
            tape.push(qkv);
            return scope.keep(y);
        }
    }

    /** Query [B, T, N, H], key and value [B, T, K, H], in the innermost scope. */
    private Tensor[] projected(Tensor x, SequenceContext context, Tape tape) {
        Tensor[] parts = inputs.split(inputs.forward(x, context.dropout(), tape));
        for (int i = 0; i < parts.length; i++) {
            parts[i] = heads(parts[i], context);
        }
        context.rotary().turn(parts[0], parts[1]);
        return parts;
    }

    /**
     * Adds to the gradients of the four linears.
     *
     * @param dy [R, D]
     * @param x [R, D], what forward was given
     * @return dx [R, D]
     */
    public Tensor backward(Tensor dy, Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            DropoutKeys dropout = context.dropout();
            Tensor v = tape.pop();
            Tensor k = tape.pop();
            Tensor q = tape.pop();
            Tensor logSumExp = tape.pop();
            Tensor mixed = tape.pop();
            Tensor dMixed = heads(output.backward(dy, rows(mixed, x), dropout, tape), context); // [B, T, N, H]
            Tensor[] gradients = flash.backward(dMixed, q, k, v, new Attended(mixed, logSumExp), context);
            Tensor joined = context.rotary().joinTurnedBack(gradients[0], gradients[1], gradients[2]);
            return scope.keep(inputs.backward(joined, x, dropout, tape));
        }
    }

    /**
     * Attention of the next t tokens of one sequence, which also see all that went before; nothing is kept for a
     * backward.
     *
     * @param x [t, D]
     * @param context of one sequence of t tokens, turned by their positions in the whole
     * @param cache of this layer, added to
     * @return [t, D]
     */
    public Tensor extend(Tensor x, SequenceContext context, KeyValues cache) {
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            Tensor[] parts = inputs.split(inputs.forward(x, null, dropped));
            Tensor q = heads(parts[0], context); // [1, t, N, H]
            Tensor k = heads(parts[1], context); // [1, t, K, H]
            context.rotary().turn(q, k);
            cache.append(k, heads(parts[2], context));
            boolean first = cache.tokens() == context.tokens();
            Tensor mask = first ? null : laterHidden(Device.of(x), context.tokens(), cache.tokens());
            Attended attended = flash.forward(q, cache.keys(), cache.values(), first, mask);
            return scope.keep(output.forward(rows(attended.mixed(), x)));
        }
    }

    /** −∞ where a key is later than the query, of the last {@code queries} of {@code keys}: [1, 1, queries, keys]. */
    private static @Nullable Tensor laterHidden(Device device, long queries, long keys) {
        if (queries == 1) {
            return null;
        }
        return device.empty(ScalarType.Float, queries, keys)
                .fill_(Scalars.of(Double.NEGATIVE_INFINITY))
                .triu(keys - queries + 1)
                .view(1, 1, queries, keys);
    }

    /** [R, heads·H] → [B, T, heads, H] */
    private Tensor heads(Tensor rows, SequenceContext context) {
        return rows.view(context.sequences(), context.tokens(), -1, headWidth);
    }

    /** [B, T, heads, H] → [R, heads·H] */
    private static Tensor rows(Tensor heads, Tensor x) {
        return heads.reshape(x.size(0), heads.size(2) * heads.size(3));
    }
}

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
 * <p>B batch, T tokens, R = B·T rows, D model width, N query heads, K key-value heads, H head width. The flash kernel
 * saves the log-sum-exp of the scores, which never stand in memory as a whole. Its own input is
 * handed to the backward by the layer around it.
 */
public final class Attention {
    private final SideBySide inputs; // query, key and value
    private final Linear output;
    private final HeadShape shape;
    private final @Nullable HeadNorm queryNorm;
    private final @Nullable HeadNorm keyNorm;
    private final FlashAttention flash;

    /**
     * @param inputs linears for query, key and value, or one for all of them
     * @param queryNorm null for none, and so is keyNorm then
     */
    public Attention(
            SideBySide inputs,
            Linear output,
            HeadShape shape,
            @Nullable HeadNorm queryNorm,
            @Nullable HeadNorm keyNorm,
            FlashAttention flash) {
        this.inputs = inputs;
        this.output = output;
        this.shape = shape;
        this.queryNorm = queryNorm;
        this.keyNorm = keyNorm;
        this.flash = flash;
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    public boolean trainable() {
        return inputs.trainable() || output.trainable() || trainable(queryNorm) || trainable(keyNorm);
    }

    private static boolean trainable(@Nullable HeadNorm norm) {
        return norm != null && norm.norm().trainable();
    }

    /** Columns of what a forward saves for its linears' adapters. */
    public long savedForAdapters() {
        return inputs.savedWidth() + output.savedWidth();
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
            Tensor y = output.forward(HeadShape.row(result.mixed()), context.dropout(), projected);
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
            Tensor y = output.forward(HeadShape.row(mixed), context.dropout(), tape);
            tape.push(mixed, logSumExp);
            tape.push(qkv);
            return scope.keep(y);
        }
    }

    /** Query [B, T, N, H], key and value [B, T, K, H], in the innermost scope. */
    private Tensor[] projected(Tensor x, SequenceContext context, Tape tape) {
        Tensor[] qkv = shape.split(inputs.forward(x, context.dropout(), tape), context);
        if (queryNorm != null && keyNorm != null) {
            qkv[0] = queryNorm.forward(qkv[0], tape);
            qkv[1] = keyNorm.forward(qkv[1], tape);
        }
        context.rotary(shape.rotary()).turn(shape.turned(qkv[0]), shape.turned(qkv[1]));
        return qkv;
    }

    /** The backward of {@link #projected} but for the linears: [R, (N + 2K)·H]. What is given is overwritten. */
    private Tensor joined(Tensor dq, Tensor dk, Tensor dv, SequenceContext context, Tape tape) {
        Rotary rotary = context.rotary(shape.rotary());
        if (queryNorm == null && shape.turnsAll() && !shape.interleaved()) {
            return rotary.joinTurnedBack(dq, dk, dv);
        }
        rotary.turnBack(shape.turned(dq), shape.turned(dk));
        if (queryNorm == null || keyNorm == null) {
            return shape.join(dq, dk, dv);
        }
        Tensor dRawKey = keyNorm.backward(dk, tape);
        return shape.join(queryNorm.backward(dq, tape), dRawKey, dv);
    }

    /**
     * Adds to the gradients of linears and norms.
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
            Tensor dMixed =
                    output.backward(dy, HeadShape.row(mixed), dropout, tape).view_as(mixed); // [B, T, N, H]
            Tensor[] gradients = flash.backward(dMixed, q, k, v, new Attended(mixed, logSumExp), context);
            Tensor joined = joined(gradients[0], gradients[1], gradients[2], context, tape);
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
            Tensor[] qkv = projected(x, context, dropped); // [1, t, heads, H]
            cache.append(qkv[1], qkv[2]);
            boolean first = cache.tokens() == context.tokens();
            Tensor mask = first ? null : laterHidden(Device.of(x), context.tokens(), cache.tokens());
            Attended attended = flash.forward(qkv[0], cache.keys(), cache.values(), first, mask);
            return scope.keep(output.forward(HeadShape.row(attended.mixed())));
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
}

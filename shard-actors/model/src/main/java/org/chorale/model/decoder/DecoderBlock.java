// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.decoder;

import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.layer.Attention;
import org.chorale.model.layer.FeedForward;
import org.chorale.model.layer.KeyValues;
import org.chorale.model.layer.Norm;
import org.chorale.model.layer.Norm.Normed;
import org.chorale.model.layer.Recompute;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * One transformer block, as {@link BlockConfig} says.
 *
 * <p>R rows (all tokens of all sequences), D model width.
 */
final class DecoderBlock {
    private final @Nullable Norm beforeAttention;
    private final Attention attention;
    private final @Nullable Norm afterAttention;
    private final @Nullable Norm beforeInner;
    private final FeedForward inner;
    private final @Nullable Norm afterInner;
    private final boolean parallel;

    DecoderBlock(BlockConfig config, Layers layers) {
        this.beforeAttention = layers.norm(config.beforeAttention());
        this.attention = layers.attention(config.attention());
        this.afterAttention = layers.norm(config.afterAttention());
        this.beforeInner = layers.norm(config.beforeInner());
        this.inner = layers.feedForward(config.inner());
        this.afterInner = layers.norm(config.afterInner());
        this.parallel = config.parallel();
    }

    /** Whether a backward has anything to do but hand the gradient on. */
    boolean trainable() {
        return attention.trainable()
                || inner.trainable()
                || Stream.of(beforeAttention, afterAttention, beforeInner, afterInner)
                        .anyMatch(norm -> norm != null && norm.trainable());
    }

    /** Columns of what a forward saves for adapters where it keeps everything. */
    long savedForAdapters() {
        return attention.savedForAdapters() + inner.savedForAdapters();
    }

    /** [R, D] → [R, D]; saves x, and as much of what its backward reads as is not to be recomputed. */
    Tensor forward(Tensor x, SequenceContext context, Recompute recompute, Tape tape) {
        try (Tape dropped = new Tape()) {
            Tape attended = recompute == Recompute.FULL ? dropped : tape;
            Tape whole = recompute == Recompute.NONE ? tape : dropped;
            Tensor y = forward(x, context, rows -> attention.forward(rows, context, attended, whole), whole);
            tape.push(x);
            return y;
        }
    }

    /** [R, D] → [R, D], where no backward follows. */
    Tensor forwardAlone(Tensor x, SequenceContext context) {
        try (Tape dropped = new Tape()) {
            return forward(x, context, rows -> attention.forward(rows, context, dropped), dropped);
        }
    }

    /** The next tokens of a sequence whose earlier ones are cached, without a backward: [t, D] → [t, D]. */
    Tensor extend(Tensor x, SequenceContext context, KeyValues cache) {
        try (Tape dropped = new Tape()) {
            return forward(x, context, rows -> attention.extend(rows, context, cache), dropped);
        }
    }

    private Tensor forward(Tensor x, SequenceContext context, UnaryOperator<Tensor> attend, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Middle middle = toMiddle(x, attend, tape);
            Tensor added = inner.forward(middle.rows(), context, tape);
            save(middle, tape);
            Tensor y = afterInner == null ? added : afterInner.forward(added, tape);
            return scope.keep(y.add_(middle.sum()));
        }
    }

    /**
     * Saves once more what a forward saved that keeps everything. What only its result needs is not computed.
     *
     * @param kept what a forward of x has kept
     */
    private void again(Tensor x, SequenceContext context, Recompute recompute, Tape kept, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            UnaryOperator<Tensor> attend = recompute == Recompute.FULL
                    ? rows -> attention.forward(rows, context, tape)
                    : rows -> attention.again(rows, context, kept, tape);
            Middle middle = toMiddle(x, attend, tape);
            if (afterInner == null) {
                inner.again(middle.rows(), context, tape);
                save(middle, tape);
            } else {
                Tensor added = inner.forward(middle.rows(), context, tape);
                save(middle, tape);
                afterInner.forward(added, tape);
            }
        }
    }

    /**
     * Between attention and the feed-forward network.
     *
     * @param rows what the network reads
     * @param sum what it adds to
     */
    private record Middle(Tensor rows, Tensor sum) {}

    private Middle toMiddle(Tensor x, UnaryOperator<Tensor> attend, Tape tape) {
        Tensor read = normalised(beforeAttention, x, tape);
        Tensor added = attend.apply(read);
        if (beforeAttention != null) {
            tape.push(read);
        }
        Tensor sum = afterAttention == null ? added : afterAttention.forward(added, tape);
        if (parallel) {
            return new Middle(normalised(beforeInner, x, tape), sum.add_(x));
        }
        if (beforeInner == null) {
            sum.add_(x);
            return new Middle(sum, sum);
        }
        Normed normed = beforeInner.addAndNormalise(sum, x);
        tape.push(normed.statistics());
        return new Middle(normed.rows(), sum);
    }

    private void save(Middle middle, Tape tape) {
        if (!parallel) {
            tape.push(middle.sum());
        }
        if (beforeInner != null) {
            tape.push(middle.rows());
        }
    }

    /** Saves what it found of the rows. */
    private static Tensor normalised(@Nullable Norm norm, Tensor x, Tape tape) {
        if (norm == null) {
            return x;
        }
        Normed normed = norm.normalise(x);
        tape.push(normed.statistics());
        return normed.rows();
    }

    /**
     * [R, D] → [R, D]
     *
     * @param recompute as in the forward
     */
    Tensor backward(Tensor dy, SequenceContext context, Recompute recompute, Tape tape) {
        try (TensorScope scope = new TensorScope();
                Tape whole = new Tape()) {
            Tensor x = tape.pop();
            if (recompute == Recompute.NONE) {
                return scope.keep(backward(dy, x, context, tape));
            }
            again(x, context, recompute, tape, whole);
            return scope.keep(backward(dy, x, context, whole));
        }
    }

    private Tensor backward(Tensor dy, Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dSum = throughInner(dy, x, context, tape);
            Tensor dAttended = parallel ? dy : dSum;
            return scope.keep(throughAttention(dAttended, dSum, x, context, tape));
        }
    }

    /** The gradient of what the feed-forward network adds to and reads: h, or x where the block is parallel. */
    private Tensor throughInner(Tensor dy, Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dAdded = afterInner == null ? dy : afterInner.backward(dy, tape);
            Tensor rows = beforeInner == null ? null : tape.pop();
            Tensor sum = parallel ? x : tape.pop();
            Tensor dRows = inner.backward(dAdded, rows == null ? sum : rows, context, tape);
            return scope.keep(throughNorm(beforeInner, dRows, sum, dy, tape));
        }
    }

    /**
     * The gradient of x.
     *
     * @param dAttended that of what attention gave, or of its norm
     * @param residual what x has for a gradient by the way around attention
     */
    private Tensor throughAttention(Tensor dAttended, Tensor residual, Tensor x, SequenceContext context, Tape tape) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dAdded = afterAttention == null ? dAttended : afterAttention.backward(dAttended, tape);
            Tensor rows = beforeAttention == null ? x : tape.pop();
            Tensor dRows = attention.backward(dAdded, rows, context, tape);
            return scope.keep(throughNorm(beforeAttention, dRows, x, residual, tape));
        }
    }

    private static Tensor throughNorm(@Nullable Norm norm, Tensor dRows, Tensor x, Tensor residual, Tape tape) {
        return norm == null ? dRows.add_(residual) : norm.backward(dRows, x, tape.pop(), residual);
    }
}

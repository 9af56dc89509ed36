// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.kernel.CrossEntropyKernel;
import org.jspecify.annotations.Nullable;

/**
 * A language model's head and its cross entropy in one, a few rows at a time: the [M, V] logits of all rows never exist.
 *
 * <p>M rows that count, D model width, V vocabulary, C rows of a chunk. A chunk's gradient is made of its logits while
 * they are there (Hsu et al. 2024, Liger Kernel, arXiv 2410.10989), as p·(1 + 2z·lse) − ε/V − (1 − ε)·one-hot with the
 * names of {@link CrossEntropySettings}. On the CPU, C is the power of two with which a chunk's logits take about as much
 * memory as the hidden states of all rows.
 *
 * <p>On a GPU a kernel writes the gradient where the logits were, and C is the largest power of two with which they take
 * no more than 1 GiB. Products of few rows are slow there: with a head of 128,256 classes and a width of 4,096, those of
 * 1,024 rows reached 470 TFLOP/s on an H200, those of 4,096 rows 647. And each chunk reads the head once, and its
 * gradient.
 */
public final class FusedLinearCrossEntropy {
    /** A model's last layer. */
    public interface Head {
        /** [C, D] → [C, V] */
        Tensor logits(Tensor hidden);

        /** Adds to the head's gradient; [C, V] → the gradient of the hidden states, [C, D]. */
        Tensor backward(Tensor dLogits, Tensor hidden);
    }

    private static final long[] LAST = {-1};
    private static final long MAX_LOGITS_BYTES_ON_GPU = 1L << 30;

    private final CrossEntropySettings settings;
    private final CrossEntropyKernel kernel;

    public FusedLinearCrossEntropy(CrossEntropySettings settings) {
        this.settings = settings;
        this.kernel = new CrossEntropyKernel(settings.labelSmoothing(), settings.zLoss());
    }

    private static long chunkRows(Tensor hidden, long vocabulary) {
        return hidden.is_cuda()
                ? chunkRows(vocabulary * hidden.element_size())
                : chunkRows(hidden.size(0), hidden.size(1), vocabulary);
    }

    /** C on a GPU. */
    static long chunkRows(long rowBytes) {
        return Math.max(1, Long.highestOneBit(MAX_LOGITS_BYTES_ON_GPU / rowBytes));
    }

    /** The most that a chunk takes on a GPU: its logits, and what goes back to its rows. */
    public static long chunkBytesOnGpu(long rows, long rowBytes, long logitsBytes) {
        return Math.min(rows, chunkRows(logitsBytes)) * (logitsBytes + 2 * rowBytes);
    }

    /** C on the CPU. */
    static long chunkRows(long rows, long width, long vocabulary) {
        long chunks = Math.max(1, (vocabulary + width - 1) / width);
        long atLeast = Math.max(1, (rows + chunks - 1) / chunks);
        long below = Long.highestOneBit(atLeast);
        return below == atLeast ? below : below << 1;
    }

    /**
     * Forward and backward.
     *
     * @param hidden [M, D]
     * @param targets [M] int64, each below V
     * @param upstream [1]: gradients are multiplied by it; null for 1
     * @param lossSum [1], added to
     * @return the gradient of the hidden states, [M, D]
     */
    public Tensor gradients(
            Head head, Tensor hidden, Tensor targets, long vocabulary, @Nullable Tensor upstream, Tensor lossSum) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dHidden = torch.empty_like(hidden);
            long rows = hidden.size(0);
            long chunk = chunkRows(hidden, vocabulary);
            for (long from = 0; from < rows; from += chunk) {
                long count = Math.min(chunk, rows - from);
                chunk(
                        head,
                        hidden.narrow(0, from, count),
                        targets.narrow(0, from, count),
                        upstream,
                        lossSum,
                        dHidden.narrow(0, from, count));
            }
            return scope.keep(dHidden);
        }
    }

    /**
     * The backward of {@link #costs}: makes the logits once more.
     *
     * @param hidden [M, D]
     * @param targets [M] int64, each below V
     * @param weights [M]: the gradient of what each row costs
     * @param upstream [1]: gradients are multiplied by it too; null for 1
     * @return the gradient of the hidden states, [M, D]
     */
    public Tensor weightedGradients(
            Head head, Tensor hidden, Tensor targets, long vocabulary, Tensor weights, @Nullable Tensor upstream) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dHidden = torch.empty_like(hidden);
            long rows = hidden.size(0);
            long chunk = chunkRows(hidden, vocabulary);
            for (long from = 0; from < rows; from += chunk) {
                try (TensorScope ofChunk = new TensorScope()) {
                    long count = Math.min(chunk, rows - from);
                    Tensor read = hidden.narrow(0, from, count);
                    Tensor gradient = gradient(head.logits(read), targets.narrow(0, from, count), upstream);
                    Tensor column = weights.narrow(0, from, count).unsqueeze(-1); // [C, 1]
                    gradient.mul_(column.to(gradient.scalar_type()));
                    dHidden.narrow(0, from, count).copy_(head.backward(gradient.to(hidden.scalar_type()), read));
                }
            }
            return scope.keep(dHidden);
        }
    }

    /** Of the costs' sum: [C, V], where the logits were or beside them. */
    private Tensor gradient(Tensor logits, Tensor targets, @Nullable Tensor upstream) {
        if (!CrossEntropyKernel.takes(logits)) {
            return gradient(upcast(logits), targets, upstream, null);
        }
        kernel.gradients(logits, targets, upstream); // the costs go with the open scope
        return logits;
    }

    /**
     * Forward alone.
     *
     * @param head [C, D] → [C, V]
     * @param hidden [M, D]
     * @param targets [M] int64, each below V
     * @return what each row costs, [M] in fp32, or in fp64 where the hidden states are
     */
    public Tensor costs(UnaryOperator<Tensor> head, Tensor hidden, Tensor targets, long vocabulary) {
        try (TensorScope scope = new TensorScope()) {
            long rows = hidden.size(0);
            ScalarType type = hidden.scalar_type().intern() == ScalarType.Double ? ScalarType.Double : ScalarType.Float;
            Tensor costs = Device.of(hidden).empty(type, rows);
            long chunk = chunkRows(hidden, vocabulary);
            for (long from = 0; from < rows; from += chunk) {
                try (TensorScope ofChunk = new TensorScope()) {
                    long count = Math.min(chunk, rows - from);
                    Tensor logits = head.apply(hidden.narrow(0, from, count));
                    costs.narrow(0, from, count).copy_(rowCosts(logits, targets.narrow(0, from, count)));
                }
            }
            return scope.keep(costs);
        }
    }

    /** [C] */
    private Tensor rowCosts(Tensor logits, Tensor targets) {
        if (CrossEntropyKernel.takes(logits)) {
            return kernel.costs(logits, targets);
        }
        Tensor wide = upcast(logits);
        return rowCosts(wide, torch.log_softmax(wide, -1), targets.unsqueeze(-1));
    }

    /**
     * Forward alone.
     *
     * @param head [C, D] → [C, V]
     * @param lossSum [1], added to
     * @return whether the most likely class of each row is its target, [M] bool on the device of the hidden states
     */
    public Tensor hits(UnaryOperator<Tensor> head, Tensor hidden, Tensor targets, long vocabulary, Tensor lossSum) {
        try (TensorScope scope = new TensorScope()) {
            long rows = hidden.size(0);
            Tensor hits = Device.of(hidden).empty(ScalarType.Bool, rows);
            long chunk = chunkRows(hidden, vocabulary);
            for (long from = 0; from < rows; from += chunk) {
                try (TensorScope ofChunk = new TensorScope()) {
                    long count = Math.min(chunk, rows - from);
                    Tensor logits = head.apply(hidden.narrow(0, from, count));
                    Tensor chunkTargets = targets.narrow(0, from, count);
                    Tensor likeliest = torch.argmax(logits, new LongOptional(-1), false); // the first of equals
                    hits.narrow(0, from, count).copy_(likeliest.eq(chunkTargets));
                    lossSum.add_(rowCosts(logits, chunkTargets).sum());
                }
            }
            return scope.keep(hits);
        }
    }

    private void chunk(
            Head head, Tensor hidden, Tensor targets, @Nullable Tensor upstream, Tensor lossSum, Tensor dHidden) {
        try (TensorScope scope = new TensorScope()) {
            Tensor logits = head.logits(hidden); // [C, V]
            Tensor gradient;
            if (CrossEntropyKernel.takes(logits)) {
                lossSum.add_(kernel.gradients(logits, targets, upstream).sum());
                gradient = logits;
            } else {
                gradient = gradient(upcast(logits), targets, upstream, lossSum);
            }
            dHidden.copy_(head.backward(gradient.to(hidden.scalar_type()), hidden));
        }
    }

    /**
     * The kernel's twin.
     *
     * @param lossSum [1], added to; null where nobody asks
     * @return [C, V]
     */
    private Tensor gradient(Tensor logits, Tensor targets, @Nullable Tensor upstream, @Nullable Tensor lossSum) {
        try (TensorScope scope = new TensorScope()) {
            Tensor column = targets.unsqueeze(-1); // [C, 1]
            Tensor logProbabilities = torch.log_softmax(logits, -1); // [C, V]
            if (lossSum != null) {
                lossSum.add_(rowCosts(logits, logProbabilities, column).sum());
            }
            Tensor logSumExp = settings.zLoss() > 0 ? logSumExp(logits) : null; // [C, 1]
            Tensor gradient = logProbabilities.exp_(); // [C, V], p
            if (logSumExp != null) {
                gradient.mul_(logSumExp.mul(Scalars.of(2 * settings.zLoss())).add_(Scalars.of(1)));
            }
            double smoothing = settings.labelSmoothing();
            if (smoothing > 0) {
                gradient.sub_(Scalars.of(smoothing / (double) gradient.size(-1)));
            }
            Tensor ofTarget = torch.full_like(column, Scalars.of(1)).to(gradient.scalar_type());
            gradient.scatter_add_(-1, column, ofTarget.mul_(Scalars.of(smoothing - 1)));
            return scope.keep(upstream == null ? gradient : gradient.mul_(upstream));
        }
    }

    /** [C] */
    private Tensor rowCosts(Tensor logits, Tensor logProbabilities, Tensor column) {
        double smoothing = settings.labelSmoothing();
        Tensor costs = logProbabilities.gather(-1, column).squeeze(-1).neg_();
        if (smoothing > 0) {
            costs.mul_(Scalars.of(1 - smoothing))
                    .sub_(logProbabilities.sum(-1).mul_(Scalars.of(smoothing / (double) logits.size(-1))));
        }
        if (settings.zLoss() > 0) {
            costs.add_(logSumExp(logits).squeeze(-1).square_().mul_(Scalars.of(settings.zLoss())));
        }
        return costs;
    }

    /** [C, 1] */
    private static Tensor logSumExp(Tensor logits) {
        return torch.logsumexp(logits, LAST, true);
    }

    private static Tensor upcast(Tensor logits) {
        ScalarType type = logits.scalar_type().intern();
        return type == ScalarType.BFloat16 || type == ScalarType.Half ? logits.to(ScalarType.Float) : logits;
    }
}

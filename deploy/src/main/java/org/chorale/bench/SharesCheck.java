// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.chorale.bench.BlockKernelCheck.exact;
import static org.chorale.bench.CheckTensors.error;

import java.util.Random;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.bench.CheckTensors.Dtype;
import org.chorale.model.kernel.SeenKeys;
import org.chorale.model.kernel.SharesKernel;
import org.chorale.model.kernel.SharesKernel.Gradients;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The shares of attention's keys and their gradient, of blocks of scores that are drawn by lot: capped or not, in order or
 * not, in a window or in documents, under a mask or not, and with rows of any length.
 */
final class SharesCheck {
    private static final int BLOCKS = 40;
    private static final int LONGEST = 5_000;

    /** Too long for the registers of a block of threads. */
    private static final int VERY_LONG = 131_072;

    private static final int LANES = SharesKernel.ROW_BYTES / Float.BYTES;

    private final KernelCheck check;
    private final CheckTensors tensors;
    private final Random random;

    SharesCheck(KernelCheck check, CheckTensors tensors) {
        this.check = check;
        this.tensors = tensors;
        this.random = tensors.random();
    }

    /**
     * A block of scores.
     *
     * @param cap 0 for none
     */
    private record Block(int heads, int queries, int group, int keys, double cap, SeenKeys seen) {
        int rows() {
            return queries * group;
        }

        @Override
        public String toString() {
            return "[%d, %d·%d, %d] cap %.0f%s%s%s"
                    .formatted(
                            heads,
                            queries,
                            group,
                            keys,
                            cap,
                            seen.last() == null ? "" : " ordered",
                            seen.first() == null ? "" : " limited",
                            seen.mask() == null ? "" : " masked");
        }
    }

    void run() {
        for (Dtype type : Dtype.values()) {
            for (int i = 0; i < BLOCKS; i++) {
                try (TensorScope scope = new TensorScope()) {
                    compare(type, block(i % 2 == 0 ? 300 : LONGEST));
                }
            }
            try (TensorScope scope = new TensorScope()) {
                compare(type, new Block(1, 3, 2, VERY_LONG, 50, seen(3, VERY_LONG, false, null)));
                compare(type, new Block(1, 3, 2, VERY_LONG - 3, 0, seen(3, VERY_LONG - 3, true, null)));
            }
            speeds(type, 8_192, 50);
            speeds(type, 4_608, 50);
            speeds(type, 8_192, 0);
        }
    }

    private Block block(int longest) {
        int heads = 1 + random.nextInt(4);
        int queries = 1 + random.nextInt(9);
        int keys = queries + random.nextInt(longest);
        double cap = new double[] {0, 3, 50}[random.nextInt(3)];
        Tensor mask = random.nextInt(3) == 0 ? mask(heads, queries, keys) : null;
        boolean ordered = random.nextInt(4) != 0;
        SeenKeys seen = ordered ? seen(queries, keys, random.nextBoolean(), mask) : new SeenKeys(5, null, null, mask);
        return new Block(heads, queries, 1 + random.nextInt(3), keys, cap, seen);
    }

    /** The queries are the block's last keys. */
    private SeenKeys seen(int queries, int keys, boolean limited, @Nullable Tensor mask) {
        int firstKey = random.nextInt(1_000);
        int own = firstKey + keys - queries;
        Tensor last = tensors.device().range(own, own + queries);
        int[] first = random.ints(queries, firstKey - 5, own + 1).toArray();
        return new SeenKeys(firstKey, limited ? tensors.device().ofInts(first, queries) : null, last, mask);
    }

    /** Numbers, and keys that nobody sees; of a sequence each head, or of all. */
    private Tensor mask(int heads, int queries, int keys) {
        Tensor numbers = tensors.normal(ScalarType.Float, random.nextBoolean() ? 1 : heads, 1, queries, keys);
        Tensor hidden = numbers.gt(Scalars.of(0.5));
        return numbers.masked_fill_(hidden, Scalars.of(SeenKeys.HIDDEN));
    }

    private void compare(Dtype type, Block block) {
        Tensor x = rows(block).mul_(Scalars.of(block.cap == 50 ? 0.1 : 1.5));
        Tensor dShares = rows(block);
        Tensor exactShares = SharesKernel.twin(block.cap).forward(exact(x), block.queries, block.seen);
        SharesKernel kernel = kernel(type, block);
        check.compare("shares", block.toString(), type.word(), type.tolerance, () -> {
            return error(kernel.forward(again(x, block), block.queries, block.seen), exactShares, type.floor);
        });
        check.compare("shares backward", block.toString(), type.word(), type.tolerance, () -> {
            Gradients expected =
                    SharesKernel.twin(block.cap).backward(exact(x), exact(dShares), block.queries, block.seen);
            Gradients actual = kernel.backward(again(x, block), again(dShares, block), block.queries, block.seen);
            double ofShares = error(actual.shares(), exactShares, type.floor);
            return Math.max(
                    ofShares,
                    error(actual.dProducts(), expected.dProducts(), terms(exactShares, exact(dShares), type)));
        });
    }

    /** How large the terms are whose difference the gradient is: P (|dP| + Σ P |dP|). */
    private static Tensor terms(Tensor shares, Tensor dShares, Dtype type) {
        Tensor sizes = dShares.abs();
        Tensor mean = shares.mul(sizes).sum(new long[] {-1}, true, new ScalarTypeOptional());
        return sizes.add_(mean).mul_(shares).clamp_min_(Scalars.of(type.floor));
    }

    private void speeds(Dtype type, int keys, double cap) {
        try (TensorScope scope = new TensorScope()) {
            Block block = new Block(4, 512, 2, keys, cap, new SeenKeys(0, null, null, null));
            Tensor x = rows(block);
            Tensor dShares = rows(block);
            SharesKernel kernel = kernel(type, block);
            long elementBytes = type == Dtype.FP32 ? 4 : 2;
            check.speed("shares", block.toString(), type.word(), x.numel() * (4 + elementBytes), () -> {
                kernel.forward(x, block.queries, block.seen);
            });
            check.speed("shares backward", block.toString(), type.word(), 2 * x.numel() * (4 + elementBytes), () -> {
                kernel.backward(x, dShares, block.queries, block.seen);
            });
        }
    }

    private SharesKernel kernel(Dtype type, Block block) {
        Tensor q = tensors.device().empty(type.scalar, 1);
        return BlockKernelCheck.fused(SharesKernel.of(q, block.cap), SharesKernel.twin(block.cap));
    }

    /** Of a normal distribution, [heads, queries·G, keys]. */
    private Tensor rows(Block block) {
        return memory(block).normal_();
    }

    /** The same numbers, to be overwritten. */
    private Tensor again(Tensor rows, Block block) {
        return memory(block).copy_(rows);
    }

    /** What lies between two rows is not a number. */
    private Tensor memory(Block block) {
        int stride = (block.keys + LANES - 1) / LANES * LANES;
        return tensors.device()
                .empty(ScalarType.Float, block.heads, block.rows(), stride)
                .fill_(Scalars.of(Double.NaN))
                .narrow(2, 0, block.keys);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.chorale.bench.BlockKernelCheck.exact;
import static org.chorale.bench.CheckTensors.error;

import org.bytedeco.pytorch.Tensor;
import org.chorale.bench.CheckTensors.Dtype;
import org.chorale.model.kernel.RotaryKernel;
import org.chorale.tensor.TensorScope;

/** The turn of heads, there and back: B batch, T tokens, N 32 query heads, K 8 key-value heads, H head width. */
final class RotaryCheck {
    private static final long QUERY_HEADS = 32;
    private static final long KEY_HEADS = 8;
    private static final long MAX_SEQUENCES = 4;
    private static final long[] HEAD_WIDTHS = {16, 64, 128};

    /** Half of it is no multiple of an access. */
    private static final long ODD_HEAD_WIDTH = 6;

    private final KernelCheck check;
    private final CheckTensors tensors;

    /** Heads as the parts of one product, [R, (N+2K)·H], of B sequences, and what turns them. */
    private record Heads(Tensor q, Tensor k, Tensor v, Tensor cosine, Tensor sine) {
        Heads exactly() {
            return new Heads(exact(q), exact(k), exact(v), exact(cosine), exact(sine));
        }

        void turn(RotaryKernel kernel) {
            kernel.turn(q, k, cosine, sine);
        }

        Tensor joinTurnedBack(RotaryKernel kernel) {
            return kernel.joinTurnedBack(q, k, v, cosine, sine);
        }

        RotaryKernel fused() {
            return BlockKernelCheck.fused(RotaryKernel.of(q, k, cosine, sine), RotaryKernel.twin());
        }
    }

    RotaryCheck(KernelCheck check, CheckTensors tensors) {
        this.check = check;
        this.tensors = tensors;
    }

    void run(long[] rows) {
        for (Dtype type : Dtype.values()) {
            for (long r : rows) {
                for (long headWidth : HEAD_WIDTHS) {
                    both(type, r, headWidth);
                }
            }
            both(type, 7, ODD_HEAD_WIDTH);
            speed(type, rows[rows.length - 1], HEAD_WIDTHS[HEAD_WIDTHS.length - 1]);
        }
    }

    private void both(Dtype type, long rows, long headWidth) {
        try (TensorScope scope = new TensorScope()) {
            turn(type, rows, headWidth, heads(type, rows, headWidth, false));
            joinTurnedBack(type, rows, headWidth, heads(type, rows, headWidth, true));
        }
    }

    private void turn(Dtype type, long rows, long headWidth, Heads heads) {
        check.compare("rotary", shape(rows, headWidth), type.word(), type.tolerance, () -> {
            Heads expected = heads.exactly();
            expected.turn(RotaryKernel.twin());
            heads.turn(heads.fused());
            return Math.max(error(heads.q, expected.q, 1), error(heads.k, expected.k, 1));
        });
    }

    private void joinTurnedBack(Dtype type, long rows, long headWidth, Heads heads) {
        String shape = shape(rows, headWidth) + " packed";
        check.compare("rotary back, joined", shape, type.word(), type.tolerance, () -> {
            Tensor expected = heads.exactly().joinTurnedBack(RotaryKernel.twin());
            return error(heads.joinTurnedBack(heads.fused()), expected, 1);
        });
    }

    private static String shape(long rows, long headWidth) {
        return "[%d, %d+%d, %d]".formatted(rows, QUERY_HEADS, KEY_HEADS, headWidth);
    }

    /** @param packed whether each sequence has angles of its own */
    private Heads heads(Dtype type, long rows, long headWidth, boolean packed) {
        long sequences = rows % MAX_SEQUENCES == 0 ? MAX_SEQUENCES : 1;
        long tokens = rows / sequences;
        long all = QUERY_HEADS + 2 * KEY_HEADS;
        Tensor product = tensors.normal(type.scalar, sequences, tokens, all, headWidth);
        long half = headWidth / 2;
        long[] table = packed ? new long[] {sequences, tokens, 1, half} : new long[] {tokens, 1, half};
        Tensor angles = tensors.normal(type.scalar, table);
        return new Heads(
                product.narrow(2, 0, QUERY_HEADS),
                product.narrow(2, QUERY_HEADS, KEY_HEADS),
                product.narrow(2, QUERY_HEADS + KEY_HEADS, KEY_HEADS),
                angles.cos(),
                angles.sin());
    }

    private void speed(Dtype type, long rows, long headWidth) {
        try (TensorScope scope = new TensorScope()) {
            Heads heads = heads(type, rows, headWidth, false);
            String shape = shape(rows, headWidth);
            RotaryKernel kernel = heads.fused();
            long turned = heads.q.nbytes() + heads.k.nbytes();
            check.speed("rotary", shape, type.word(), 2 * turned, () -> heads.turn(kernel));
            long joined = turned + heads.v.nbytes();
            check.speed(
                    "rotary back, joined", shape, type.word(), 2 * joined, () -> heads.joinTurnedBack(kernel));
        }
    }
}

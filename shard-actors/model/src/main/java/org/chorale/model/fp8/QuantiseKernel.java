// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import org.bytedeco.pytorch.Tensor;

/**
 * Makes FP8 of bf16 matrices x [R, K], which may be parts of wider ones and whose K is a multiple of 16: scaled such that
 * the largest absolute value becomes the format's largest number, rounded to the nearest, ties to even. Where x has a
 * value that is not finite, all that comes of a product with it is not finite either.
 *
 * <p>The scale is of the values at hand (current scaling), not of those of steps before.
 */
public sealed interface QuantiseKernel permits FusedQuantise, AtenQuantise {
    /** The least that a largest value counts as: scales stay finite, and zeros zero. */
    double FLOOR = 0x1p-100;

    /** Compute capability of the first GPUs that know FP8, as one number. */
    int ARCHITECTURE = 89;

    /** Of what R is rounded up to where sums run along the columns of x. */
    int ROWS = 16;

    /** Numbers from one of several inverses to the next, so that each lies at 16 bytes, as products may want it. */
    int INVERSE_LANES = 4;

    /** Both forms of a matrix: as it lies, and with its columns as rows. */
    record Both(Fp8Matrix rows, Fp8Matrix columns) {}

    /** The fused one on a GPU, which has compute capability 8.9; else ATen's. */
    static QuantiseKernel of(Tensor x) {
        return x.is_cuda() ? FusedQuantise.INSTANCE : twin();
    }

    /** The reference, which runs everywhere. */
    static QuantiseKernel twin() {
        return AtenQuantise.INSTANCE;
    }

    /** The largest absolute value, [1] fp32; NaN where x has one. */
    Tensor largest(Tensor x);

    /** [R, K] with one scale, that of {@link #largest}. */
    Fp8Matrix rows(Tensor x, Tensor largest, Fp8Format format);

    /** [K, R'] with one scale, R' being R rounded up to a multiple of {@link #ROWS}: what is beyond R is 0. */
    Fp8Matrix columns(Tensor x, Tensor largest, Fp8Format format);

    /** Both of these by one pass over x. */
    Both both(Tensor x, Tensor largest, Fp8Format format);

    /** [R, K] with a scale for each row. */
    Fp8Matrix eachRow(Tensor x, Fp8Format format);

    /** [K, R] with the same numbers and scale, of x [R, K], R a multiple of {@link #ROWS}. */
    Fp8Matrix transposed(Fp8Matrix x);

    /**
     * Takes the largest absolute values of runs into those of their scales. They are kept as the bits of an fp32 number, of
     * which a larger one has larger bits, and NaN the largest: the maximum of those integers over ranks keeps NaN too.
     *
     * @param part fp32 or bf16, of which what it is in bf16 counts
     * @param bits [scales] int64
     */
    void addLargest(Tensor part, ScaledRuns runs, Tensor bits);

    /**
     * E4M3 of runs: the bytes that {@link #rows} has of whole matrices in bf16. What is in no run is not written.
     *
     * @param part fp32 or bf16
     * @param bits [scales], of whole matrices
     * @param bytes as long as the part, E4M3
     */
    void quantise(Tensor part, ScaledRuns runs, Tensor bits, Tensor bytes);

    /**
     * What the bytes of each scale are multiplied by to be what they were made of.
     *
     * @param bits [scales]
     * @param inverses [scales, {@link #INVERSE_LANES}] fp32, the first of each row of which is written
     */
    void invert(Tensor bits, Tensor inverses);
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import org.bytedeco.pytorch.global.torch.ScalarType;

/** The ways to compute attention. Which one is taken follows from where the tensors lie, their dtype and their shape. */
public enum AttentionWay {
    /** The flash kernel of the CPU. */
    CPU(new EachDocument(new CpuFlash())),
    /** The flash kernel of the GPU. */
    FLASH(new CudaFlash()),
    /** cuDNN's. */
    CUDNN(new CudnnAttention()),
    /** The memory-efficient kernel of the GPU. */
    EFFICIENT(new EfficientAttention()),
    /** The formula by matrix products, block by block of the scores. */
    PLAIN(new PlainAttention());

    private static final long MAX_FLASH_WIDTH = 256;
    private static final long MAX_CUDNN_WIDTH = 128;

    /** A row of flash is read in pieces of 16 bytes: 8 numbers of bf16 or fp16, 4 of fp32. */
    private static final long HALF_PIECE = 8;

    private static final long FLOAT_PIECE = 4;

    /** CUDA's limit for the dimension of the grid over which kernels spread sequences. */
    private static final long MAX_SEQUENCES = 65_535;

    @SuppressWarnings("ImmutableEnumChecker") // a kernel holds operators of libtorch and nothing that changes
    private final AttentionKernel kernel;

    AttentionWay(AttentionKernel kernel) {
        this.kernel = kernel;
    }

    AttentionKernel kernel() {
        return kernel;
    }

    /** The way on a GPU; what no kernel takes goes the plain one. Flash stands for cuDNN, too. */
    static AttentionWay onGpu(ScalarType type, long headWidth, long sequences, Sight sight) {
        PackedDocuments documents = sight.documents();
        if (sight.mask() != null || (documents == null ? sequences : documents.runs()) > MAX_SEQUENCES) {
            return PLAIN;
        }
        return switch (type) {
            case BFloat16, Half -> headWidth % HALF_PIECE == 0 && headWidth <= MAX_FLASH_WIDTH ? FLASH : PLAIN;
            case Float -> headWidth % FLOAT_PIECE == 0 && !sight.limited() ? EFFICIENT : PLAIN;
            default -> PLAIN;
        };
    }

    /** Whether cuDNN may take what flash takes. */
    static boolean suitsCudnn(long headWidth, long tokens, Sight sight) {
        return sight.causal()
                && sight.documents() == null
                && !sight.limited()
                && headWidth <= MAX_CUDNN_WIDTH
                && tokens > 1;
    }

    /** Whether its backward adds up in whatever order blocks end, unless it is told not to. */
    boolean hasUnorderedSums() {
        return this == FLASH || this == EFFICIENT;
    }
}

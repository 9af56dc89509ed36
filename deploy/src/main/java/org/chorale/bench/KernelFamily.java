// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Arrays;
import java.util.regex.Pattern;

/** What a kernel or copy does in a step, by its name; of several families that fit, the first. */
enum KernelFamily {
    NCCL("nccl"),
    ATTENTION("flash|fmha|sdpa|attention|mha_"),
    GEMM("gemm|nvjet|cutlass|xmma|splitk|gemv|dot_kernel|cublas"),
    NORM("rms_?norm|layer_?norm|column_sums"),
    SWIGLU("swiglu|silu"),
    ROTARY("rotary"),
    CROSS_ENTROPY("cross_?entropy|softmax|nll_"),
    OPTIMIZER("adam|squares_of|sum_of_blocks|lion|sgd"),
    EMBEDDING("embedding|index|add_windows|add_partial_sums"),
    COPY("memcpy|copy|CatArray|transpose"),
    FILL("memset|fill"),
    REDUCTION("reduce"),
    ELEMENTWISE("elementwise"),
    OTHER("");

    private final Pattern names;

    KernelFamily(String names) {
        this.names = Pattern.compile(names, Pattern.CASE_INSENSITIVE);
    }

    static KernelFamily of(String kernel) {
        return Arrays.stream(values())
                .filter(family -> family.names.matcher(kernel).find())
                .findFirst()
                .orElse(OTHER);
    }
}

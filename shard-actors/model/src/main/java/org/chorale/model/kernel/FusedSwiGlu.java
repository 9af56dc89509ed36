// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;
import org.chorale.tensor.kernel.Launch;

/** SwiGLU in one launch of {@code swiglu.cu} each way; the backward allocates nothing. */
final class FusedSwiGlu implements SwiGluKernel {
    static final FusedSwiGlu INSTANCE = new FusedSwiGlu();

    private static final int MAX_THREADS = 256;

    private FusedSwiGlu() {}

    static boolean takes(Tensor gate, Tensor up) {
        return gate.is_cuda()
                && ElementType.of(gate).isPresent()
                && ElementType.of(gate).equals(ElementType.of(up))
                && gate.stride(1) == 1
                && up.stride(1) == 1;
    }

    @Override
    public Tensor forward(Tensor gate, Tensor up) {
        Tensor inner = torch.empty_like(gate); // contiguous, also where gate is a part of wider rows
        run("swiglu_forward", gate, up, inner, gate, up, inner);
        return inner;
    }

    @Override
    public Tensor backward(Tensor dInner, Tensor gate, Tensor up) {
        if (!dInner.is_contiguous()) {
            throw new IllegalArgumentException("the gradient of SwiGLU's rows is not contiguous");
        }
        run("swiglu_backward", gate, up, dInner, dInner, gate, up);
        return dInner;
    }

    /** @param operands of the kernel, in its order */
    private static void run(String kernel, Tensor gate, Tensor up, Tensor inner, Tensor... operands) {
        long width = gate.size(1);
        Access access = Access.of(width, gate, up, inner);
        long accesses = width / access.lanes();
        long blocksOfRow = Blocks.ceilDiv(accesses, MAX_THREADS);
        Launch launch = KernelModule.of(FusedSwiGlu.class, "swiglu.cu", access.macros())
                .kernel(kernel)
                .launch();
        for (Tensor operand : operands) {
            launch.tensor(operand);
        }
        launch.index(Math.toIntExact(width))
                .index(Math.toIntExact(blocksOfRow))
                .count(gate.stride(0))
                .count(up.stride(0))
                .run(gate.size(0) * blocksOfRow, Blocks.threads(Blocks.ceilDiv(accesses, blocksOfRow), MAX_THREADS));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import java.util.HashMap;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.Kernel;
import org.chorale.tensor.kernel.KernelModule;
import org.chorale.tensor.kernel.Launch;

/** A gated activation in one launch of {@code glu.cu} each way; the backward allocates nothing. */
record FusedGlu(Curve curve) implements GluKernel {
    private static final int MAX_THREADS = 256;

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
        run("glu_forward", gate, up, inner, gate, up, inner);
        return inner;
    }

    @Override
    public Tensor backward(Tensor dInner, Tensor gate, Tensor up) {
        refuseGaps(dInner);
        run("glu_backward", gate, up, dInner, dInner, gate, up);
        return dInner;
    }

    @Override
    public Tensor weightedBackward(Tensor dWeighted, Tensor gate, Tensor up, Tensor weights, Tensor dWeights) {
        refuseGaps(dWeighted);
        refuseGaps(weights);
        refuseGaps(dWeights);
        long width = gate.size(1);
        Access access = Access.of(width, gate, up, dWeighted);
        kernel("glu_weighted_backward", access)
                .launch()
                .tensor(dWeighted)
                .tensor(gate)
                .tensor(up)
                .tensor(weights)
                .tensor(dWeights)
                .index(Math.toIntExact(width))
                .count(gate.stride(0))
                .count(up.stride(0))
                .run(gate.size(0), Blocks.threads(width / access.lanes(), MAX_THREADS));
        return dWeighted;
    }

    private static void refuseGaps(Tensor rows) {
        if (!rows.is_contiguous()) {
            throw new IllegalArgumentException("what goes back through a gated activation is not contiguous");
        }
    }

    private Kernel kernel(String function, Access access) {
        Map<String, String> macros = new HashMap<>(access.macros());
        macros.put("CURVE", curve.function());
        return KernelModule.of(FusedGlu.class, "glu.cu", macros).kernel(function);
    }

    /** @param operands of the kernel, in its order */
    private void run(String kernel, Tensor gate, Tensor up, Tensor inner, Tensor... operands) {
        long width = gate.size(1);
        Access access = Access.of(width, gate, up, inner);
        long accesses = width / access.lanes();
        long blocksOfRow = Blocks.ceilDiv(accesses, MAX_THREADS);
        Launch launch = kernel(kernel, access).launch();
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

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.kernel.Curve;
import org.chorale.model.kernel.RmsNormKernel.Weighting;
import org.chorale.tensor.device.Device;

/**
 * Checks the element-wise kernels of a block on a GPU (norm, rotary, gated activations, shares of attention's keys) against their twins in fp64 on the same
 * values, and measures them; and the products of a linear against the same in fp64.
 */
public final class BlockKernelCheck {
    private static final long SEED = 7;
    private static final long[] ROWS = {1, 7, 64, 8_192};

    private BlockKernelCheck() {}

    /** Checks on the first GPU; the exit code is 1 where a check failed. */
    public static void main(String[] arguments) {
        Device device = Device.cuda(0);
        device.bind();
        torch.manual_seed(SEED);
        KernelCheck check = new KernelCheck(device, System.out);
        CheckTensors tensors = new CheckTensors(device, new Random(SEED));
        for (Weighting weighting : Weighting.values()) {
            new RmsNormCheck(check, tensors, weighting).run(ROWS);
        }
        new RotaryCheck(check, tensors).run(ROWS);
        for (Curve curve : Curve.values()) {
            new GluCheck(check, tensors, curve).run(ROWS);
        }
        new SharesCheck(check, tensors).run();
        new LinearCheck(check, tensors).run(ROWS);
        System.exit(check.end());
    }

    /** The same values in fp64, in which a twin is the reference. */
    static Tensor exact(Tensor x) {
        return x.to(ScalarType.Double);
    }

    /** What is chosen for tensors of the GPU, which must not be the twin that it is checked against. */
    static <K> K fused(K chosen, K twin) {
        if (chosen.equals(twin)) {
            throw new IllegalStateException("the fused kernel does not take what it should");
        }
        return chosen;
    }
}

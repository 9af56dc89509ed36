// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;
import org.chorale.tensor.kernel.Launch;

/** The turn of queries and keys in one launch of {@code rotary.cu}; rounds once, where ATen's operators round twice. */
final class FusedRotary implements RotaryKernel {
    static final FusedRotary INSTANCE = new FusedRotary();

    private static final int MAX_THREADS = 256;

    private FusedRotary() {}

    static boolean takes(Tensor q, Tensor k, Tensor cosine, Tensor sine) {
        return q.is_cuda()
                && ElementType.of(q).isPresent()
                && ElementType.of(q).equals(ElementType.of(k))
                && ElementType.of(q).equals(ElementType.of(cosine))
                && q.stride(3) == 1
                && k.stride(3) == 1
                && cosine.is_contiguous()
                && sine.is_contiguous();
    }

    @Override
    public void turn(Tensor q, Tensor k, Tensor cosine, Tensor sine, int direction) {
        long half = q.size(3) / 2;
        long tokens = q.size(1);
        Access access = Access.of(half, q, k, cosine, sine);
        long accesses = (q.size(2) + k.size(2)) * half / access.lanes();
        Launch launch = KernelModule.of(FusedRotary.class, "rotary.cu", access.macros())
                .kernel("turn")
                .launch();
        heads(launch, q);
        heads(launch, k);
        launch.tensor(cosine)
                .tensor(sine)
                .index(Math.toIntExact(tokens))
                .index(Math.toIntExact(cosine.numel() / half))
                .index(Math.toIntExact(half))
                .number(direction)
                .run(q.size(0) * tokens, Blocks.threads(accesses, MAX_THREADS));
    }

    private static void heads(Launch launch, Tensor x) {
        launch.tensor(x)
                .index(Math.toIntExact(x.size(2)))
                .count(x.stride(0))
                .count(x.stride(1))
                .count(x.stride(2));
    }
}

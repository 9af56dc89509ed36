// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
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
    public void turn(Tensor q, Tensor k, Tensor cosine, Tensor sine) {
        long half = q.size(3) / 2;
        Access access = Access.of(half, q, k, cosine, sine);
        Launch launch = launch(access, "turn");
        heads(launch, q);
        heads(launch, k);
        angles(launch, q, cosine, sine).run(rows(q), threads(access, half, q.size(2) + k.size(2)));
    }

    @Override
    public Tensor joinTurnedBack(Tensor q, Tensor k, Tensor v, Tensor cosine, Tensor sine) {
        long half = q.size(3) / 2;
        long heads = q.size(2) + k.size(2) + v.size(2);
        try (TensorScope scope = new TensorScope()) {
            Tensor values = v.stride(3) == 1 ? v : v.contiguous();
            Tensor joined = torch.empty(new long[] {rows(q), heads * q.size(3)}, q.options(), null);
            Access access = Access.of(half, q, k, values, cosine, sine, joined);
            Launch launch = launch(access, "join_turned_back");
            heads(launch, q);
            heads(launch, k);
            heads(launch, values);
            angles(launch, q, cosine, sine).tensor(joined).run(rows(q), threads(access, half, heads));
            return scope.keep(joined);
        }
    }

    private static Launch launch(Access access, String kernel) {
        return KernelModule.of(FusedRotary.class, "rotary.cu", access.macros())
                .kernel(kernel)
                .launch();
    }

    private static void heads(Launch launch, Tensor x) {
        launch.tensor(x)
                .index(Math.toIntExact(x.size(2)))
                .count(x.stride(0))
                .count(x.stride(1))
                .count(x.stride(2));
    }

    private static Launch angles(Launch launch, Tensor q, Tensor cosine, Tensor sine) {
        long half = q.size(3) / 2;
        return launch.tensor(cosine)
                .tensor(sine)
                .index(Math.toIntExact(q.size(1)))
                .index(Math.toIntExact(cosine.numel() / half))
                .index(Math.toIntExact(half));
    }

    /** B·T: a block each. */
    private static long rows(Tensor q) {
        return q.size(0) * q.size(1);
    }

    /** One for each access of half the heads' components. */
    private static int threads(Access access, long half, long heads) {
        return Blocks.threads(heads * half / access.lanes(), MAX_THREADS);
    }
}

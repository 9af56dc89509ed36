// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.kernel;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;
import org.chorale.tensor.kernel.Launch;
import org.jspecify.annotations.Nullable;

/**
 * RMSNorm by the kernels of {@code rms_norm.cu}, compiled for each width: one launch each, and a second one for the
 * gradient of a weight.
 *
 * <p>That gradient is summed over the rows of a block first and then over the blocks, whose number follows from the
 * rows' alone: the same rows give the same bits.
 */
final class FusedRmsNorm implements RmsNormKernel {
    private static final FusedRmsNorm PLAIN = new FusedRmsNorm(Weighting.PLAIN);
    private static final FusedRmsNorm FROM_ONE = new FusedRmsNorm(Weighting.FROM_ONE);

    /** What a block has of a row are at most 32 registers of each thread. */
    private static final long MAX_WIDTH = 32L * Blocks.MAX_THREADS;

    /** Enough blocks for every GPU of today, and few enough that their shares of the gradient are a small part of all. */
    private static final long MAX_SHARES = 512;

    private static final int COLUMNS_OF_BLOCK = 32;

    private final Weighting weighting;
    private final ConcurrentMap<Variant, KernelModule> modules = new ConcurrentHashMap<>();

    private record Variant(Access access, long width) {
        int threads() {
            return Blocks.threads(width / access.lanes(), Blocks.MAX_THREADS);
        }

        KernelModule module(Weighting weighting) {
            Map<String, String> macros = new HashMap<>(access.macros());
            macros.put("WIDTH", String.valueOf(width));
            macros.put("THREADS", String.valueOf(threads()));
            macros.put("FROM_ONE", String.valueOf(weighting == Weighting.FROM_ONE));
            return KernelModule.of(FusedRmsNorm.class, "rms_norm.cu", macros);
        }
    }

    private FusedRmsNorm(Weighting weighting) {
        this.weighting = weighting;
    }

    static FusedRmsNorm of(Weighting weighting) {
        return weighting == Weighting.PLAIN ? PLAIN : FROM_ONE;
    }

    static boolean takes(Tensor x, Tensor weight) {
        return x.is_cuda()
                && x.is_contiguous()
                && x.size(-1) <= MAX_WIDTH
                && ElementType.of(x).isPresent()
                && ElementType.of(x).equals(ElementType.of(weight));
    }

    @Override
    public Normed forward(Tensor x, Tensor weight, double epsilon) {
        return forward(x, null, weight, epsilon);
    }

    @Override
    public Normed addAndForward(Tensor sum, Tensor addend, Tensor weight, double epsilon) {
        try (TensorScope scope = new TensorScope()) {
            Normed normed = forward(addend.contiguous(), sum, weight, epsilon);
            scope.keep(normed.rows());
            scope.keep(normed.scale());
            return normed;
        }
    }

    private Normed forward(Tensor x, @Nullable Tensor sum, Tensor weight, double epsilon) {
        long rows = rows(x);
        Tensor y = torch.empty_like(x);
        Tensor scale = Device.of(x).empty(ScalarType.Float, rows, 1);
        Variant variant = variant(sum == null ? x : sum, x, weight, y);
        launch(variant, "rms_norm_forward")
                .tensor(x)
                .optional(sum)
                .tensor(weight)
                .tensor(y)
                .tensor(scale)
                .number((float) epsilon)
                .run(rows, variant.threads());
        return new Normed(y, scale);
    }

    @Override
    public Tensor backward(
            Tensor dy,
            Tensor x,
            Tensor scale,
            Tensor weight,
            @Nullable Tensor residual,
            @Nullable Tensor weightGradient) {
        try (TensorScope scope = new TensorScope()) {
            Tensor dx = torch.empty_like(x);
            Tensor rowsOfDy = dy.contiguous();
            Tensor rowsOfResidual = residual == null ? null : residual.contiguous();
            Variant variant = variant(rowsOfDy, x, weight, dx, rowsOfResidual == null ? x : rowsOfResidual);
            Launch launch = launch(
                            variant, weightGradient == null ? "rms_norm_backward_frozen" : "rms_norm_backward_trained")
                    .tensor(rowsOfDy)
                    .tensor(x)
                    .tensor(scale)
                    .tensor(weight)
                    .optional(rowsOfResidual)
                    .tensor(dx);
            if (weightGradient == null) {
                launch.run(rows(x), variant.threads());
            } else {
                runTrained(launch, variant, x, weightGradient);
            }
            return scope.keep(dx);
        }
    }

    private static void runTrained(Launch launch, Variant variant, Tensor x, Tensor weightGradient) {
        long rows = rows(x);
        long rowsOfBlock = Math.max(1, Blocks.ceilDiv(rows, MAX_SHARES));
        long blocks = Blocks.ceilDiv(rows, rowsOfBlock);
        Tensor shares = Device.of(x).empty(ScalarType.Float, blocks, variant.width());
        launch.tensor(shares)
                .index(Math.toIntExact(rows))
                .index(Math.toIntExact(rowsOfBlock))
                .run(blocks, variant.threads());
        addColumnSums(shares, weightGradient);
    }

    private static void addColumnSums(Tensor shares, Tensor sums) {
        String type = ElementType.of(sums).orElseThrow().word();
        KernelModule.of(FusedRmsNorm.class, "column_sums.cu", Map.of("SCALAR", type))
                .kernel("add_column_sums")
                .launch()
                .tensor(shares)
                .tensor(sums)
                .index(Math.toIntExact(shares.size(0)))
                .index(Math.toIntExact(shares.size(1)))
                .run(Blocks.ceilDiv(shares.size(1), COLUMNS_OF_BLOCK), Blocks.MAX_THREADS);
    }

    private Launch launch(Variant variant, String kernel) {
        KernelModule known = modules.get(variant);
        KernelModule module = known != null ? known : modules.computeIfAbsent(variant, v -> v.module(weighting));
        return module.kernel(kernel).launch();
    }

    /** That for rows of the first tensor's width. */
    private static Variant variant(Tensor... tensors) {
        long width = tensors[0].size(-1);
        return new Variant(Access.of(width, tensors), width);
    }

    private static long rows(Tensor x) {
        return x.numel() / x.size(-1);
    }
}

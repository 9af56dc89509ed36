// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.fp8;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/** By libtorch's operators. */
final class AtenQuantise implements QuantiseKernel {
    static final AtenQuantise INSTANCE = new AtenQuantise();

    private static final long[] ALONG_ROWS = {1};

    private AtenQuantise() {}

    @Override
    public Tensor largest(Tensor x) {
        try (TensorScope scope = new TensorScope()) {
            return scope.keep(x.abs().max().to(ScalarType.Float).view(1L));
        }
    }

    @Override
    public Fp8Matrix rows(Tensor x, Tensor largest, Fp8Format format) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scale = scale(largest, format);
            return new Fp8Matrix(quantised(x, scale, format), scale.reciprocal()).keptBy(scope);
        }
    }

    @Override
    public Fp8Matrix columns(Tensor x, Tensor largest, Fp8Format format) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scale = scale(largest, format);
            long beyond = Math.floorMod(-x.size(0), (long) ROWS);
            Tensor columns = torch.constant_pad_nd(x.t(), new long[] {0, beyond}, Scalars.of(0));
            return new Fp8Matrix(quantised(columns, scale, format), scale.reciprocal()).keptBy(scope);
        }
    }

    @Override
    public Both both(Tensor x, Tensor largest, Fp8Format format) {
        return new Both(rows(x, largest, format), columns(x, largest, format));
    }

    @Override
    public Fp8Matrix eachRow(Tensor x, Fp8Format format) {
        try (TensorScope scope = new TensorScope()) {
            Tensor scale = scale(x.abs().amax(ALONG_ROWS, true).to(ScalarType.Float), format); // [R, 1]
            return new Fp8Matrix(quantised(x, scale, format), scale.reciprocal()).keptBy(scope);
        }
    }

    @Override
    public Fp8Matrix transposed(Fp8Matrix x) {
        try (TensorScope scope = new TensorScope()) {
            return new Fp8Matrix(scope.keep(x.values().t().contiguous()), x.inverse());
        }
    }

    @Override
    public void addLargest(Tensor part, ScaledRuns runs, Tensor bits) {
        for (ScaledRuns.Run run : runs.runs()) {
            try (TensorScope scope = new TensorScope()) {
                Tensor own = largest(run.of(part).to(ScalarType.BFloat16)).view(ScalarType.Int);
                Tensor all = bits.narrow(0, run.scale(), 1);
                all.copy_(torch.maximum(all, own.to(ScalarType.Long)));
            }
        }
    }

    @Override
    public void quantise(Tensor part, ScaledRuns runs, Tensor bits, Tensor bytes) {
        for (ScaledRuns.Run run : runs.runs()) {
            try (TensorScope scope = new TensorScope()) {
                Tensor scale = scale(numbers(bits.narrow(0, run.scale(), 1)), Fp8Format.E4M3);
                Tensor values = run.of(part).to(ScalarType.BFloat16);
                run.of(bytes).copy_(quantised(values, scale, Fp8Format.E4M3));
            }
        }
    }

    @Override
    public void invert(Tensor bits, Tensor inverses) {
        try (TensorScope scope = new TensorScope()) {
            inverses.select(1, 0).copy_(scale(numbers(bits), Fp8Format.E4M3).reciprocal());
        }
    }

    /** The fp32 numbers with these bits. */
    private static Tensor numbers(Tensor bits) {
        return bits.to(ScalarType.Int).view(ScalarType.Float);
    }

    private static Tensor scale(Tensor largest, Fp8Format format) {
        return torch.empty_like(largest).fill_(Scalars.of(format.largest())).div_(largest.clamp_min(Scalars.of(FLOOR)));
    }

    /** Clamped first: libtorch's conversion to E4M3 makes NaN of what is too large. */
    private static Tensor quantised(Tensor x, Tensor scale, Fp8Format format) {
        return x.to(ScalarType.Float)
                .mul(scale)
                .clamp_min_(Scalars.of(-format.largest()))
                .clamp_max_(Scalars.of(format.largest()))
                .to(format.type())
                .contiguous();
    }
}

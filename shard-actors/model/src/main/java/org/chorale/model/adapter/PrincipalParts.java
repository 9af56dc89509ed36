// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.adapter;

import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.StringViewOptional;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.Initialization;
import org.chorale.model.layer.Initialization.Part;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;

/**
 * The principal parts of weights, and what is left of them: PiSSA (Meng et al. 2024, arXiv 2404.02948).
 *
 * <pre>
 * W = U·S·Vᵀ      A = √(S÷s)·Vᵀ and B = U·√(S÷s), of the r largest of S      W begins again as W − s·B·A
 * </pre>
 *
 * <p>Nobody sends these to anybody: whoever holds a piece of a weight, of A or of B decomposes the whole weight and takes its
 * piece. So that all get the same, it is done in fp64, of which what is left of rounding disappears in fp32, and of each pair
 * of vectors, whose common sign is free, the right one's largest number is positive. Memory is taken for a few copies of one
 * weight in fp64; A and B of the weights that were asked for are kept.
 */
final class PrincipalParts implements AutoCloseable {
    /** Columns beyond r that a randomised decomposition computes and drops (Halko et al. 2011, arXiv 0909.4061). */
    private static final long OVERSAMPLED = 8;

    /** Numbers of a weight that are made at once. */
    private static final long CHUNK = 1 << 22;

    /** What nobody would call waiting. */
    private static final Duration SHORT = Duration.ofSeconds(1);

    private static final System.Logger LOG = System.getLogger(PrincipalParts.class.getName());

    private final BaseValues base;
    private final Optional<Integer> iterations; // of a randomised decomposition; empty for the exact one
    private final long seed;
    private final Map<String, Factors> known = new HashMap<>(); // by module
    private final HeldTensors held = new HeldTensors();

    /**
     * The two factors in fp32.
     *
     * @param down A, [r, I]
     * @param up B, [O, r]
     */
    record Factors(Tensor down, Tensor up) {}

    /** U [O, k], S [k] and Vᵀ [k, I]. */
    private record Decomposition(Tensor left, Tensor values, Tensor right) {
        static Decomposition of(Tensor matrix) {
            T_TensorTensorTensor_T parts = torch.linalg_svd(matrix, false, new StringViewOptional());
            return new Decomposition(parts.get0(), parts.get1(), parts.get2());
        }
    }

    PrincipalParts(BaseValues base, Optional<Integer> iterations, long seed) {
        this.base = base;
        this.iterations = iterations;
        this.seed = seed;
    }

    /** The factors that an adapted linear begins with; ranks that are threads of one process share them. */
    synchronized Factors of(LoraModule module) {
        Factors factors = known.get(module.weight());
        if (factors == null) {
            long started = System.nanoTime();
            factors = decompose(module);
            known.put(module.weight(), factors);
            log(module, Duration.ofNanos(System.nanoTime() - started));
        }
        return factors;
    }

    /** Says with the first one what all of them will cost where that is long, and how they cost less. */
    private void log(LoraModule module, Duration spent) {
        LOG.log(
                known.size() == 1 && spent.compareTo(SHORT) > 0 ? Level.INFO : Level.DEBUG,
                "the principal parts of {0} took {1} ms ({2}); each adapted weight of this process needs as much for its"
                        + " size, whenever a run starts or goes on",
                module.weight(),
                spent.toMillis(),
                iterations
                        .map(count -> "model.adapter.pissa-iterations = " + count)
                        .orElse("exactly; model.adapter.pissa-iterations = 4 to 16 is faster"));
    }

    /** Copies the elements [from, until) of what is left of an adapted weight. */
    void copyRest(LoraModule module, long from, long until, Tensor target) {
        Factors factors = of(module);
        long inputs = module.linear().inputs();
        long rows = Math.max(1, CHUNK / inputs);
        for (long row = from / inputs; row * inputs < until; row += rows) {
            long end = Math.min(row + rows, module.linear().outputs());
            long first = Math.max(from, row * inputs);
            long last = Math.min(until, end * inputs);
            try (TensorScope scope = new TensorScope()) {
                Tensor part = HostTensors.empty(ScalarType.Double, last - first);
                base.copyInto(module.weight(), first, last, part);
                Tensor product = factors.up
                        .narrow(0, row, end - row)
                        .to(ScalarType.Double)
                        .mm(factors.down.to(ScalarType.Double))
                        .view(-1L)
                        .narrow(0, first - row * inputs, last - first);
                target.narrow(0, first - from, last - first).copy_(part.sub_(product, Scalars.of(module.scale())));
            }
        }
    }

    @Override
    public void close() {
        known.clear();
        held.close();
    }

    private Factors decompose(LoraModule module) {
        long outputs = module.linear().outputs();
        long inputs = module.linear().inputs();
        try (TensorScope scope = new TensorScope()) {
            Tensor weight = HostTensors.empty(ScalarType.Double, outputs * inputs);
            base.copyInto(module.weight(), 0, outputs * inputs, weight);
            Tensor matrix = weight.view(outputs, inputs);
            Decomposition all =
                    iterations.isPresent() ? approximate(matrix, module, iterations.get()) : Decomposition.of(matrix);
            Tensor right = all.right.narrow(0, 0, module.rank()); // [r, I]
            Tensor roots = all.values
                    .narrow(0, 0, module.rank())
                    .div(Scalars.of(module.scale()))
                    .sqrt_();
            Tensor signed = roots.mul(signs(right)); // [r]
            Tensor down = right.mul(signed.unsqueeze(1));
            Tensor up = all.left.narrow(1, 0, module.rank()).mul(signed);
            return new Factors(held.hold(stored(down)), held.hold(stored(up)));
        }
    }

    /** Of the number with the largest magnitude in each row, [r]. */
    private static Tensor signs(Tensor right) {
        Tensor largest = right.abs().argmax(new LongOptional(1), true); // [r, 1]
        return right.gather(1, largest).sign().squeeze(1);
    }

    private static Tensor stored(Tensor factor) {
        return factor.to(ScalarType.Float).contiguous();
    }

    /** Of the weight's products with random vectors, multiplied by WᵀW as often as there are iterations. */
    private Decomposition approximate(Tensor matrix, LoraModule module, int times) {
        long width = Math.min(module.rank() + OVERSAMPLED, Math.min(matrix.size(0), matrix.size(1)));
        long elements = matrix.size(1) * width;
        Tensor drawn = HostTensors.empty(ScalarType.Double, elements);
        Initialization.normal(new Part(module.down().name(), elements, 0, elements), 1, seed, drawn);
        Tensor basis = orthogonal(matrix.mm(drawn.view(matrix.size(1), width))); // [O, width]
        for (int i = 0; i < times; i++) {
            basis = orthogonal(matrix.mm(orthogonal(matrix.t().mm(basis))));
        }
        Decomposition inBasis = Decomposition.of(basis.t().mm(matrix));
        return new Decomposition(basis.mm(inBasis.left), inBasis.values, inBasis.right);
    }

    private static Tensor orthogonal(Tensor matrix) {
        return torch.linalg_qr(matrix).get0();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.chorale.bench.BlockKernelCheck.exact;

import java.io.PrintStream;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.bytedeco.pytorch.global.torch_cuda;
import org.bytedeco.pytorch.global.torch_cuda.SyncDebugMode;
import org.chorale.bench.CheckTensors.Dtype;
import org.chorale.bench.CheckedMixture.Pass;
import org.chorale.model.kernel.Curve;
import org.chorale.model.kernel.GluKernel;
import org.chorale.model.kernel.GroupSumKernel;
import org.chorale.model.kernel.SlotSumKernel;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * Checks mixtures of experts on a GPU: all experts at once against one by one, forward, backward and a second pass, which gives
 * every bit again and adds to the gradients, in fixed and in random shapes, and that the host waits for nothing meanwhile;
 * their kernels against their twins in fp64; and measures both ways. The exit code is 1 where a check failed.
 *
 * <p>Arguments: none, or {@code cpu} to try it without a GPU, where both ways are loops.
 */
public final class MixtureCheck {
    private static final long SEED = 7;
    private static final int RANDOM_CASES = 24;
    private static final double OPERATIONS_ON_CPU = 3e8; // of a case at most

    /** Both ways round to bf16, but not always in the same places. */
    private static final double TOLERANCE = 0.02;

    /** What an adapter adds is rounded once more; on the CPU it was 0.022. */
    private static final double ADAPTED_TOLERANCE = 0.05;

    private static final List<MixtureCase> MEASURED = List.of(
            new MixtureCase(8_192, 2_048, 5_632, 8, 2, 0, false),
            new MixtureCase(8_192, 2_048, 768, 128, 8, 0, false),
            new MixtureCase(8_192, 2_048, 768, 128, 8, 16, false));

    private final Device device;
    private final KernelCheck check;
    private final CheckTensors tensors;

    MixtureCheck(Device device, PrintStream out) {
        this.device = device;
        this.check = new KernelCheck(device, out);
        this.tensors = new CheckTensors(device, new Random(SEED));
    }

    public static void main(String[] arguments) {
        Device device = arguments.length > 0 && arguments[0].equals("cpu") ? Device.CPU : Device.cuda(0);
        device.bind();
        System.exit(new MixtureCheck(device, System.out).run());
    }

    /** @return the exit code */
    int run() {
        torch.manual_seed(SEED);
        for (Dtype type : Dtype.values()) {
            weightedBackward(type);
            slotSums(type);
        }
        groupSums();
        MixtureCase.of(tensors.random(), RANDOM_CASES).stream()
                .filter(sizes -> device.isCuda() || sizes.operations() <= OPERATIONS_ON_CPU)
                .forEach(this::mixture);
        if (device.isCuda()) {
            MEASURED.forEach(this::speeds);
        }
        return check.end();
    }

    private void mixture(MixtureCase sizes) {
        double tolerance = sizes.rank() == 0 ? TOLERANCE : ADAPTED_TOLERANCE;
        check.compare("experts at once", sizes.toString(), "bf16", tolerance, () -> {
            CheckedMixture even = new CheckedMixture(device, sizes, true);
            CheckedMixture apart = new CheckedMixture(device, sizes, false);
            Tensor x = tensors.normal(ScalarType.BFloat16, sizes.rows(), sizes.width());
            Tensor rows = sizes.sole() ? x.abs_() : x; // whose sum the sole expert is chosen by
            Tensor dy = tensors.normal(ScalarType.BFloat16, sizes.rows(), sizes.width());
            Pass first = withoutWaits(sizes, even, rows, dy);
            double ofPass = error(first, apart.pass(rows, dy));
            double ofGradients = error(even.gradients(), apart.gradients());
            boolean repeated = withoutWaits(sizes, even, rows, dy).isEqual(first);
            apart.pass(rows, dy); // adds to the gradients once more
            double ofSums = error(even.gradients(), apart.gradients());
            return repeated ? Math.max(ofPass, Math.max(ofGradients, ofSums)) : Double.NaN;
        });
    }

    private Pass withoutWaits(MixtureCase sizes, CheckedMixture mixture, Tensor x, Tensor dy) {
        if (!device.isCuda() || !sizes.aligned()) {
            return mixture.pass(x, dy);
        }
        torch_cuda.warning_state().set_sync_debug_mode(SyncDebugMode.L_ERROR);
        try {
            return mixture.pass(x, dy);
        } finally {
            torch_cuda.warning_state().set_sync_debug_mode(SyncDebugMode.L_DISABLED);
        }
    }

    private static double error(Pass found, Pass expected) {
        return Math.max(error(found.y(), expected.y()), error(found.dx(), expected.dx()));
    }

    private static double error(List<Tensor> found, List<Tensor> expected) {
        double worst = 0;
        for (int i = 0; i < found.size(); i++) {
            worst = Math.max(worst, error(found.get(i), expected.get(i)));
        }
        return worst;
    }

    /** The largest difference as a share of the largest magnitude; an expert without rows has a gradient of zero. */
    private static double error(Tensor found, Tensor expected) {
        try (TensorScope scope = new TensorScope()) {
            Tensor largest = expected.to(ScalarType.Double).abs().max().clamp_min_(Scalars.of(1e-6));
            return CheckTensors.error(found, expected, largest);
        }
    }

    private void weightedBackward(Dtype type) {
        double tolerance = 2 * type.tolerance; // without a GPU the twin is checked, which rounds two or three times
        check.compare("weighted gated backward", "[65, 1000] halves", type.word(), tolerance, () -> {
            Tensor product = tensors.normal(type.scalar, 65, 2 * 1_000);
            Tensor gate = product.narrow(1, 0, 1_000);
            Tensor up = product.narrow(1, 1_000, 1_000);
            Tensor dWeighted = tensors.normal(type.scalar, 65, 1_000);
            Tensor weights = tensors.normal(ScalarType.Float, 65, 1);
            Tensor dWeights = torch.empty_like(weights);
            Tensor dGate = exact(gate);
            Tensor dUp = exact(up);
            Tensor dExact = exact(weights);
            Tensor expected =
                    GluKernel.twin(Curve.SILU).weightedBackward(exact(dWeighted), dGate, dUp, exact(weights), dExact);
            Tensor found = fused(GluKernel.of(Curve.SILU, gate, up), GluKernel.twin(Curve.SILU))
                    .weightedBackward(dWeighted, gate, up, weights, dWeights);
            double ofInputs = Math.max(error(gate, dGate), error(up, dUp));
            return Math.max(ofInputs, Math.max(error(found, expected), error(dWeights, dExact)));
        });
    }

    private void slotSums(Dtype type) {
        for (long width : new long[] {1_001, 2_048}) {
            check.compare("sums of slots", "[65·3, %d]".formatted(width), type.word(), type.tolerance, () -> {
                Tensor slots = tensors.normal(type.scalar, 65 * 3, width);
                Tensor places =
                        torch.argsort(tensors.normal(ScalarType.Float, 65 * 3)).view(65, 3);
                Tensor weights = tensors.normal(ScalarType.Float, 65, 3);
                SlotSumKernel kernel = fused(SlotSumKernel.of(slots), SlotSumKernel.twin());
                SlotSumKernel twin = SlotSumKernel.twin();
                return Math.max(
                        error(kernel.sums(slots, places, weights), twin.sums(exact(slots), places, exact(weights))),
                        error(kernel.sums(slots, places, null), twin.sums(exact(slots), places, null)));
            });
        }
    }

    /** The products of a group without rows are NaN. */
    private void groupSums() {
        check.compare("sums of groups", "[4, 24, 40]", "bf16", Dtype.FP32.tolerance, () -> {
            Tensor ends = device.ofInts(new int[] {0, 3, 3, 9}, 4);
            Tensor products = tensors.normal(ScalarType.BFloat16, 4, 24, 40);
            products.select(0, 0).fill_(Scalars.of(Double.NaN));
            products.select(0, 2).fill_(Scalars.of(Double.NaN));
            Tensor sums = device.empty(ScalarType.Float, 4, 32, 40).fill_(Scalars.of(Double.NaN));
            Tensor expected = device.zeros(ScalarType.Double, 4, 24, 40);
            Tensor part = sums.narrow(1, 8, 24);
            GroupSumKernel kernel = fused(GroupSumKernel.of(part, products), GroupSumKernel.twin());
            kernel.add(part, products, ends, 0.5, true);
            GroupSumKernel.twin().add(expected, exact(products), ends, 0.5, true);
            double written = error(part, expected);
            kernel.add(part, products, ends, 2, false);
            return Math.max(written, error(part, expected.mul(Scalars.of(5))));
        });
    }

    private void speeds(MixtureCase sizes) {
        for (boolean even : new boolean[] {true, false}) {
            try (TensorScope scope = new TensorScope()) {
                CheckedMixture mixture = new CheckedMixture(device, sizes, even);
                Tensor x = tensors.normal(ScalarType.BFloat16, sizes.rows(), sizes.width());
                Tensor dy = tensors.normal(ScalarType.BFloat16, sizes.rows(), sizes.width());
                check.rate(
                        even ? "experts at once" : "experts one by one",
                        sizes.toString(),
                        "bf16",
                        sizes.operations(),
                        () -> mixture.pass(x, dy));
            }
        }
    }

    /** On a GPU the kernel, which must not be the twin that it is checked against. */
    private <K> K fused(K chosen, K twin) {
        return device.isCuda() ? BlockKernelCheck.fused(chosen, twin) : chosen;
    }
}

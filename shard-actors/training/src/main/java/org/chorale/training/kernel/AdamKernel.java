// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.Kernel;
import org.chorale.tensor.kernel.KernelModule;

/**
 * Adam over any number of runs in one launch, which rounds the moved weights into their copy as well.
 *
 * <p>Runs stay where they are as long as this is used, but for their gradients: the table of addresses is made anew when
 * these lie elsewhere than in the step before.
 */
public final class AdamKernel implements AutoCloseable {
    private static final int THREADS = 256;

    private final AdamRule rule;
    private final Kernel kernel;
    private Table table;

    /** The element types of a run; values have that of the weights where there are none. */
    private record Types(ElementType weights, ElementType gradients, ElementType values) {
        static Optional<Types> of(AdamRun run) {
            Optional<ElementType> weights = ElementType.of(run.weights());
            Optional<ElementType> gradients = ElementType.of(run.gradients());
            Optional<ElementType> values = run.values() == null ? weights : ElementType.of(run.values());
            return weights.isPresent() && gradients.isPresent() && values.isPresent()
                    ? Optional.of(new Types(weights.get(), gradients.get(), values.get()))
                    : Optional.empty();
        }
    }

    /** The runs as the kernel reads them, and where their gradients lay then. */
    private static final class Table implements AutoCloseable {
        final long[] gradients; // addresses
        final RunTable rows;
        final Tensor onDevice;
        private final HeldTensors owner = new HeldTensors();

        Table(List<AdamRun> runs) {
            try (TensorScope scope = new TensorScope()) {
                this.gradients = gradients(runs);
                this.rows = new RunTable(runs.stream().map(AdamKernel::columns).toList());
                this.onDevice = owner.hold(rows.on(Device.of(runs.get(0).weights())));
            }
        }

        boolean isOf(List<AdamRun> runs) {
            try (TensorScope scope = new TensorScope()) {
                return Arrays.equals(gradients, gradients(runs));
            }
        }

        private static long[] gradients(List<AdamRun> runs) {
            return runs.stream()
                    .mapToLong(run -> run.gradients().data_ptr().address())
                    .toArray();
        }

        @Override
        public void close() {
            owner.close();
        }
    }

    /** @param runs at least one, which {@link #takes} accepts */
    public AdamKernel(AdamRule rule, List<AdamRun> runs) {
        this.rule = rule;
        this.kernel = module(Types.of(runs.get(0)).orElseThrow()).kernel("adam");
        this.table = new Table(runs);
    }

    /**
     * Whether all runs lie on a GPU and have the same element types: weights and moments fp32 or bf16, gradients and
     * values fp32, bf16 or fp16.
     */
    public static boolean takes(List<AdamRun> runs) {
        Optional<Types> types = Types.of(runs.get(0));
        return types.isPresent()
                && types.get().weights() != ElementType.FP16
                && runs.stream()
                        .allMatch(run -> run.weights().is_cuda()
                                && Types.of(run).equals(types)
                                && isLikeWeights(run, run.firstMoments())
                                && isLikeWeights(run, run.secondMoments()));
    }

    private static boolean isLikeWeights(AdamRun run, Tensor moments) {
        return ElementType.of(moments).equals(ElementType.of(run.weights()));
    }

    private static List<Tensor> columns(AdamRun run) {
        return Arrays.asList(run.weights(), run.gradients(), run.firstMoments(), run.secondMoments(), run.values());
    }

    /**
     * Moves weights, moments and values.
     *
     * @param runs as this was made with, their gradients in the same elements and types, wherever they lie
     * @param steps [1] fp32, t, this step counted
     * @param divisor [1] fp32, by which gradients are divided first; their buffers keep them as they are
     * @param notFinite [1] fp32: where it is 1, nothing is touched
     */
    public void step(List<AdamRun> runs, double rate, Tensor steps, Tensor divisor, Tensor notFinite) {
        if (!table.isOf(runs)) {
            table.close();
            table = new Table(runs);
        }
        kernel.launch()
                .tensor(table.onDevice)
                .index(table.rows.count())
                .count(table.rows.chunks())
                .real(rate)
                .real(rule.beta1())
                .real(rule.beta2())
                .real(rule.decay())
                .real(rule.epsilon())
                .index(rule.decaysGradient() ? 1 : 0)
                .tensor(steps)
                .tensor(divisor)
                .tensor(notFinite)
                .run(table.rows.blocks(), THREADS);
    }

    private static KernelModule module(Types types) {
        return KernelModule.of(
                AdamKernel.class,
                "adam.cu",
                Map.of(
                        "MASTER",
                        types.weights().word(),
                        "GRADIENT",
                        types.gradients().word(),
                        "VALUE",
                        types.values().word(),
                        RunTable.CHUNK_MACRO,
                        String.valueOf(RunTable.CHUNK)));
    }

    @Override
    public void close() {
        table.close();
    }
}

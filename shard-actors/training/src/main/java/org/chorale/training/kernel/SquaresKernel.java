// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.kernel;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.kernel.ElementType;
import org.chorale.tensor.kernel.KernelModule;

/** The sum of the squares of flat buffers in two launches and the copy of a table, however many buffers there are. */
public final class SquaresKernel {
    private static final int THREADS = 256;

    private SquaresKernel() {}

    /** Whether the buffers lie on a GPU, are contiguous and have one element type, fp32, bf16 or fp16. */
    public static boolean takes(List<Tensor> flats) {
        Optional<ElementType> type = ElementType.of(flats.get(0));
        return type.isPresent()
                && flats.stream()
                        .allMatch(flat -> flat.is_cuda()
                                && flat.is_contiguous()
                                && ElementType.of(flat).equals(type));
    }

    /**
     * The same bits for the same lengths and elements, whatever the GPU.
     *
     * @return [1] fp64, in the caller's scope
     */
    public static Tensor squares(List<Tensor> flats) {
        Device device = Device.of(flats.get(0));
        KernelModule module = module(ElementType.of(flats.get(0)).orElseThrow());
        RunTable table =
                new RunTable(flats.stream().map(Collections::singletonList).toList());
        try (TensorScope scope = new TensorScope()) {
            Tensor ofBlocks = device.empty(ScalarType.Double, Math.max(1, table.blocks()));
            Tensor total = device.empty(ScalarType.Double, 1);
            Tensor rows = table.on(device);
            module.kernel("squares_of_blocks")
                    .launch()
                    .tensor(rows)
                    .index(table.count())
                    .count(table.chunks())
                    .tensor(ofBlocks)
                    .run(table.blocks(), THREADS);
            module.kernel("sum_of_blocks")
                    .launch()
                    .tensor(ofBlocks)
                    .index(table.blocks())
                    .tensor(total)
                    .run(1, THREADS);
            return scope.keep(total);
        }
    }

    private static KernelModule module(ElementType type) {
        return KernelModule.of(
                SquaresKernel.class,
                "squares.cu",
                Map.of("SCALAR", type.word(), RunTable.CHUNK_MACRO, String.valueOf(RunTable.CHUNK)));
    }
}

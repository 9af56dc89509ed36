// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.Arrays;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.device.Device;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;

/** A micro-batch as a pipeline begins with it. */
final class PipelineBatch {
    private PipelineBatch() {}

    /**
     * {@code batch} and {@code labels}, and {@code positions} and {@code documents} where it is packed, [B, T] int64; or of
     * examples that are numbers, these alone, [B, N] fp32 each.
     */
    static NamedTensors tensors(MicroBatch microBatch, Device device) {
        if (!microBatch.numbers().isEmpty()) {
            NamedTensors tensors = NamedTensors.empty();
            for (MicroBatch.Numbers field : microBatch.numbers()) {
                tensors = tensors.with(
                        field.name(), device.ofFloats(field.values(), microBatch.sequences(), field.width()));
            }
            return tensors;
        }
        NamedTensors tensors = NamedTensors.of(NamedTensors.BATCH, matrix(device, microBatch, microBatch.tokens()))
                .with(NamedTensors.LABELS, matrix(device, microBatch, microBatch.labels()));
        MicroBatch.Packing packing = microBatch.packing();
        return packing == null
                ? tensors
                : tensors.with(NamedTensors.POSITIONS, matrix(device, microBatch, packing.positions()))
                        .with(NamedTensors.DOCUMENTS, matrix(device, microBatch, packing.documents()));
    }

    /**
     * The original batch, where it has tokens and no padding, and each token's successor as the target. Numbers say nothing
     * of the kind.
     */
    static void fill(Context context, MicroBatch microBatch, Device device) {
        if (!microBatch.numbers().isEmpty()) {
            return;
        }
        context.put(Context.ORIGINAL_BATCH, matrix(device, microBatch, microBatch.tokens()));
        long[] targets = new long[microBatch.labels().length];
        Arrays.fill(targets, MicroBatch.IGNORED);
        for (long row : microBatch.predictingRows()) {
            targets[(int) row] = microBatch.labels()[(int) row + 1];
        }
        context.put(Context.TARGET, matrix(device, microBatch, targets));
        long[] numbers = LongStream.range(0, microBatch.width()).toArray();
        Tensor places = device.ofLongs(numbers, numbers.length); // [T]
        Tensor lengths = device.ofLongs(microBatch.lengths(), microBatch.sequences(), 1);
        context.put(Context.ATTENTION_MASK, places.lt(lengths).to(ScalarType.Float));
    }

    private static Tensor matrix(Device device, MicroBatch microBatch, long[] values) {
        return device.ofLongs(values, microBatch.sequences(), microBatch.width());
    }
}

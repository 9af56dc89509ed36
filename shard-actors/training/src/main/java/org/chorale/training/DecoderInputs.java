// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.model.layer.SequenceContext;
import org.jspecify.annotations.Nullable;

/** What a Llama is told of a micro-batch besides its tokens. */
final class DecoderInputs {
    private DecoderInputs() {}

    /** @param dropout null in an evaluation */
    static SequenceContext context(Decoder model, MicroBatch microBatch, @Nullable DropoutKeys dropout) {
        SequenceContext context = context(model, microBatch);
        return dropout == null ? context : context.withDropout(dropout);
    }

    private static SequenceContext context(Decoder model, MicroBatch microBatch) {
        MicroBatch.Packing packing = microBatch.packing();
        if (packing != null) {
            return model.packedContext(
                    microBatch.sequences(), microBatch.width(), packing.positions(), packing.documents());
        }
        long[] mask = microBatch.keyMask();
        Tensor keyMask = mask == null ? null : model.device().ofLongs(mask, microBatch.sequences(), microBatch.width());
        return model.context(microBatch.sequences(), microBatch.width(), keyMask);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.decoder.Decoder;
import org.chorale.training.shard.ModelShard;

/** What a reference makes of sequences, over the shard of a policy. */
final class ReferenceScores implements AutoCloseable {
    private final Decoder model;
    private final SequenceScores scores;

    ReferenceScores(Reference reference, ModelShard shard) {
        this.model = reference.model(shard.view());
        this.scores = new SequenceScores(model);
    }

    /** [B] fp64, in the caller's scope. */
    Tensor of(MicroBatch batch) {
        return scores.of(batch);
    }

    @Override
    public void close() {
        model.close();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.bytedeco.pytorch.Tensor;
import org.chorale.model.decoder.Decoder;
import org.chorale.training.shard.ModelShard;

/** A reference that runs forward, over the shard of a policy. */
final class ReferenceModel implements ReferenceScores {
    private final Decoder model;
    private final SequenceScores scores;

    ReferenceModel(Reference reference, ModelShard shard) {
        this.model = reference.model(shard.view());
        this.scores = new SequenceScores(model);
    }

    @Override
    public Tensor of(MicroBatch batch) {
        return scores.of(batch);
    }

    @Override
    public void close() {
        model.close();
    }
}

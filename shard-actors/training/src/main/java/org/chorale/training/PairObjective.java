// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.tensor.TensorScope;
import org.chorale.training.preference.Judgement;
import org.chorale.training.preference.PairLoss;
import org.chorale.training.shard.ModelShard;
import org.jspecify.annotations.Nullable;

/**
 * Training on pairs of answers: DPO and ORPO. The loss is a mean over the pairs of the global batch; a pair of which
 * cutting has left an empty answer does not count.
 *
 * <p>P pairs are 2 P sequences, of which the chosen one of each pair comes first. Both are keyed by one sample, so that
 * dropout treats what they have in common alike.
 */
public final class PairObjective implements Objective {
    private final Decoder model;
    private final SequenceScores policy;
    private final Optional<ReferenceScores> reference;
    private final PairLoss loss;
    private final long seed;

    /**
     * @param reference what the loss compares with, if it does; closed with this
     * @param seed of the run, which keys dropout
     */
    public PairObjective(ModelShard shard, Optional<ReferenceScores> reference, PairLoss loss, long seed) {
        if (loss.comparesWithReference() != reference.isPresent()) {
            throw new IllegalArgumentException("%s has %s".formatted(loss, reference));
        }
        this.model = shard.model();
        this.policy = new SequenceScores(model);
        this.reference = reference;
        this.loss = loss;
        this.seed = seed;
    }

    @Override
    public void addGradients(long step, List<MicroBatch> microBatches, @Nullable Tensor upstream, StepSums sums) {
        for (MicroBatch batch : microBatches) {
            try (TensorScope scope = new TensorScope()) {
                DropoutKeys keys = DropoutKeys.of(seed, step, batch.samples(), batch.width());
                Tensor compared = compared(batch);
                policy.train(batch, keys, upstream, found -> add(batch, found, compared, sums));
            }
        }
        sums.divideLast();
    }

    @Override
    public void evaluate(MicroBatch batch, StepSums sums) {
        try (TensorScope scope = new TensorScope()) {
            Tensor compared = compared(batch);
            add(batch, policy.of(batch), compared, sums);
        }
    }

    /** By the reference, [2 P]; zeros where there is none. */
    private Tensor compared(MicroBatch batch) {
        return reference
                .map(scores -> scores.of(batch))
                .orElseGet(() -> model.device().zeros(ScalarType.Double, batch.sequences()));
    }

    /** @return the gradient of the loss's sum, [2 P] */
    private Tensor add(MicroBatch batch, Tensor found, Tensor compared, StepSums sums) {
        long[] counts = batch.trainedTokens();
        long counted = 0;
        for (int i = 0; i < counts.length; i += 2) {
            counted += counts[i] > 0 && counts[i + 1] > 0 ? 1 : 0;
        }
        Tensor tokens = model.device().ofLongs(counts, counts.length).to(ScalarType.Double);
        Judgement judged = loss.judge(pairs(found), pairs(compared), pairs(tokens), counted);
        sums.add(judged.output());
        return judged.gradient().reshape(counts.length);
    }

    private static Tensor pairs(Tensor sequences) {
        return sequences.view(-1, 2);
    }

    @Override
    public void close() {
        reference.ifPresent(ReferenceScores::close);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.Uploads.Sent;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.loss.FusedLinearCrossEntropy;
import org.jspecify.annotations.Nullable;

/**
 * The log-probability of the counted labels of each sequence, added up, and the way back.
 *
 * <p>B sequences of T tokens, R = B·T rows, D model width, M rows that predict a label that counts. The head runs on
 * those alone, a few at a time, and once more in the backward, when the weight of each row's gradient is known.
 */
final class SequenceScores {
    private final FusedLinearCrossEntropy loss = new FusedLinearCrossEntropy(CrossEntropySettings.PLAIN);
    private final Decoder model;

    SequenceScores(Decoder model) {
        this.model = model;
    }

    /**
     * Forward alone, in the caller's scope. Where no label counts, takes part in what all ranks do together.
     *
     * @return [B] fp64
     */
    Tensor of(MicroBatch batch) {
        long[] rows = batch.predictingRows();
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            if (rows.length == 0) {
                model.forwardWithoutRows();
                model.endForward();
                return scope.keep(model.device().zeros(ScalarType.Double, batch.sequences()));
            }
            try (Sent sent = model.send(batch.tokens(), rows, batch.targets())) {
                SequenceContext context = DecoderInputs.context(model, batch, null);
                Tensor hidden = model.forward(sent.column(0), context, dropped); // [R, D]
                Tensor read = hidden.index_select(0, sent.column(1)); // [M, D]
                Tensor sums = sums(batch, sent, loss.costs(model::logits, read, sent.column(2), model.vocabulary()));
                model.endForward();
                return scope.keep(sums);
            }
        }
    }

    /** What a loss makes of log-probabilities: its gradient with respect to them, [B] fp64. */
    interface Loss {
        Tensor gradient(Tensor logProbabilities);
    }

    /**
     * Forward and backward.
     *
     * @param keys of what is dropped
     * @param upstream [1]: gradients are multiplied by it; null for 1
     */
    void train(MicroBatch batch, DropoutKeys keys, @Nullable Tensor upstream, Loss of) {
        long[] rows = batch.predictingRows();
        try (TensorScope scope = new TensorScope();
                Tape tape = new Tape();
                Tape ofLogits = new Tape()) {
            if (rows.length == 0) {
                model.forwardWithoutRows();
                of.gradient(model.device().zeros(ScalarType.Double, batch.sequences()));
                model.backwardWithoutRows();
                return;
            }
            try (Sent sent = model.send(batch.tokens(), rows, batch.targets())) {
                SequenceContext context = DecoderInputs.context(model, batch, keys);
                Tensor hidden = model.forward(sent.column(0), context, tape); // [R, D]
                Tensor read = hidden.index_select(0, sent.column(1)); // [M, D]
                Tensor costs = loss.costs(model::logits, read, sent.column(2), model.vocabulary());
                Tensor gradient = of.gradient(sums(batch, sent, costs)).neg(); // of the costs
                Tensor weights = ofRows(batch, sent, gradient);
                Tensor dRead = loss.weightedGradients(
                        head(ofLogits), read, sent.column(2), model.vocabulary(), weights, upstream);
                Tensor dHidden = torch.zeros_like(hidden);
                dHidden.index_copy_(0, sent.column(1), dRead);
                model.backward(dHidden, context, tape);
            }
        }
    }

    /** [M] costs to [B]: each at its place in [B, T], whose rows are added up in an order that does not change. */
    private static Tensor sums(MicroBatch batch, Sent sent, Tensor costs) {
        Tensor places = Device.of(costs).zeros(ScalarType.Double, batch.tokens().length);
        places.index_copy_(0, sent.column(1), costs.to(ScalarType.Double));
        return places.view(batch.sequences(), batch.width()).sum(1).neg_();
    }

    /** [B] to [M]. */
    private static Tensor ofRows(MicroBatch batch, Sent sent, Tensor values) {
        return values.unsqueeze(1)
                .expand(batch.sequences(), batch.width())
                .reshape(batch.tokens().length)
                .index_select(0, sent.column(1));
    }

    /** @param tape of one chunk at a time */
    private FusedLinearCrossEntropy.Head head(Tape tape) {
        return new FusedLinearCrossEntropy.Head() {
            @Override
            public Tensor logits(Tensor hidden) {
                return model.logits(hidden, tape);
            }

            @Override
            public Tensor backward(Tensor dLogits, Tensor hidden) {
                return model.logitsBackward(dLogits, hidden, tape);
            }
        };
    }
}

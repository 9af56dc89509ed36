// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.decoder.Decoder;
import org.chorale.model.decoder.DecoderMemory;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Uploads.Sent;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.loss.FusedLinearCrossEntropy;
import org.chorale.training.shard.ModelShard;
import org.jspecify.annotations.Nullable;

/**
 * Plain language-model training: every label that counts is predicted from the row before it. The head runs on those
 * rows alone, fused with its cross entropy. In training a mixture's {@link RouterLoss} is added where it is asked for.
 */
public final class LanguageModelObjective implements Objective {
    private static final String TERM = "cross-entropy";

    private final Decoder model;
    private final FusedLinearCrossEntropy loss;
    private final Optional<RouterLoss> routerLoss;
    private final long seed;

    /**
     * @param shard with the model
     * @param seed of the run, which keys dropout
     * @throws IllegalArgumentException where the settings ask for what the model has not
     */
    public LanguageModelObjective(ModelShard shard, CrossEntropySettings settings, long seed) {
        this.model = shard.model();
        this.routerLoss = RouterLoss.of(shard, settings);
        this.seed = seed;
        this.loss = new FusedLinearCrossEntropy(settings);
    }

    /** The most that a loss takes on a GPU between a forward and its backward, beside what is kept: by formula. */
    static long lossBytes(DecoderMemory memory, long rows) {
        long hiddenAndGradients = 4 * rows * memory.rowBytes(); // of all rows, and of those that are read
        return hiddenAndGradients
                + FusedLinearCrossEntropy.chunkBytesOnGpu(rows, memory.rowBytes(), memory.logitsBytes());
    }

    /** Gradients add up as those of the loss's sum; the division comes last, together with clipping. */
    @Override
    public void addGradients(long step, List<MicroBatch> microBatches, @Nullable Tensor upstream, StepSums sums) {
        Tensor lossSum = model.device().zeros(ScalarType.Float, 1);
        RouterLoss.Step routers =
                routerLoss.map(loss -> loss.begin(microBatches, upstream)).orElse(null);
        if (routers != null && microBatches.size() > 1) {
            microBatches.forEach(microBatch -> count(step, microBatch, routers));
            routers.settle();
        }
        long weight = 0;
        for (MicroBatch microBatch : microBatches) {
            weight += addGradients(step, microBatch, upstream, lossSum, routers);
        }
        sums.addTerm(TERM, lossSum, (double) weight);
        if (routers != null) {
            routers.addTo(sums);
        }
        sums.divideLast();
    }

    /** A forward for the routers' sake alone. */
    private void count(long step, MicroBatch microBatch, RouterLoss.Step routers) {
        if (microBatch.sequences() == 0) {
            model.forwardWithoutRows();
        } else {
            try (TensorScope scope = new TensorScope();
                    Tape dropped = new Tape();
                    Sent batch = model.send(microBatch.tokens(), microBatch.realTokens())) {
                SequenceContext context = context(step, microBatch);
                model.forward(batch.column(0), routers.ofForward(context, batch.column(1)), dropped);
            }
        }
        model.endForward();
    }

    private SequenceContext context(long step, MicroBatch microBatch) {
        DropoutKeys dropout = DropoutKeys.of(seed, step, microBatch.samples(), microBatch.width());
        return DecoderInputs.context(model, microBatch, dropout);
    }

    /** @return how many labels count */
    private long addGradients(
            long step,
            MicroBatch microBatch,
            @Nullable Tensor upstream,
            Tensor lossSum,
            RouterLoss.@Nullable Step routers) {
        long[] rows = microBatch.predictingRows();
        if (routers == null ? rows.length == 0 : microBatch.sequences() == 0) {
            model.forwardWithoutRows();
            if (routers != null) {
                routers.settle();
            }
            model.backwardWithoutRows();
            return 0;
        }
        try (TensorScope scope = new TensorScope();
                Tape tape = new Tape();
                Tape ofLogits = new Tape();
                Sent batch = send(microBatch, rows, routers != null)) {
            Tensor predicting = batch.column(1);
            Tensor targets = batch.column(2);
            SequenceContext context = context(step, microBatch);
            SequenceContext ofForward = routers == null ? context : routers.ofForward(context, batch.column(3));
            Tensor hidden = model.forward(batch.column(0), ofForward, tape); // [R, D]
            Tensor read = hidden.index_select(0, predicting); // [M, D]
            Tensor dRead = loss.gradients(head(ofLogits), read, targets, model.vocabulary(), upstream, lossSum);
            Tensor dHidden = torch.zeros_like(hidden);
            dHidden.index_copy_(0, predicting, dRead);
            if (routers != null) {
                routers.settle();
                context = routers.ofBackward(context, batch.column(3));
            }
            model.backward(dHidden, context, tape);
            return rows.length;
        }
    }

    /** Tokens, predicting rows, their targets, and for routers which tokens are real. */
    @MustBeClosed
    private Sent send(MicroBatch microBatch, long[] rows, boolean forRouters) {
        return forRouters
                ? model.send(microBatch.tokens(), rows, microBatch.targets(), microBatch.realTokens())
                : model.send(microBatch.tokens(), rows, microBatch.targets());
    }

    @Override
    public void evaluate(MicroBatch microBatch, StepSums sums) {
        try (TensorScope scope = new TensorScope()) {
            hits(microBatch, sums);
        }
    }

    /**
     * Adds the loss of a micro-batch.
     *
     * @return for each predicting row whether greedy decoding gives its target, [M] bool
     */
    Tensor hits(MicroBatch microBatch, StepSums sums) {
        long[] rows = microBatch.predictingRows();
        try (TensorScope scope = new TensorScope();
                Tape dropped = new Tape()) {
            Tensor lossSum = model.device().zeros(ScalarType.Float, 1);
            if (rows.length == 0) {
                model.forwardWithoutRows();
                model.endForward();
                sums.addTerm(TERM, lossSum, 0);
                return scope.keep(model.device().empty(ScalarType.Bool, 0));
            }
            SequenceContext context = DecoderInputs.context(model, microBatch, null);
            try (Sent batch = model.send(microBatch.tokens(), rows, microBatch.targets())) {
                Tensor hidden = model.forward(batch.column(0), context, dropped); // [R, D]
                Tensor read = hidden.index_select(0, batch.column(1)); // [M, D]
                Tensor hits = loss.hits(model::logits, read, batch.column(2), model.vocabulary(), lossSum);
                model.endForward();
                sums.addTerm(TERM, lossSum, rows.length);
                return scope.keep(hits);
            }
        }
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

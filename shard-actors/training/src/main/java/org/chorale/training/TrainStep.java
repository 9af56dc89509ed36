// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.SequenceContext;
import org.chorale.model.layer.Tape;
import org.chorale.model.llama.LlamaModel;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.loss.CrossEntropyLoss;
import org.chorale.training.loss.LossOutput;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.FsdpUnit;
import org.chorale.training.shard.ModelShard;
import org.jspecify.annotations.Nullable;

/**
 * One optimizer step: forward and backward of each micro-batch, one division by the weight of the whole global batch,
 * clipping, AdamW.
 *
 * <p>Gradients add up as those of the loss's <em>sum</em>; the division comes last and together with clipping, so that
 * k uneven micro-batches give what one large batch gives. Norm, clip coefficient and the verdict whether everything is
 * finite stay tensors until the optimizer has run; the host reads them once, at the end.
 */
public final class TrainStep {
    /** Keeps the clip coefficient finite where the norm is 0, as in torch's clip_grad_norm_. */
    private static final double NORM_EPSILON = 1e-6;

    private final ModelShard shard;
    private final Optimizer optimizer;
    private final double clipNorm;
    private final CrossEntropyLoss loss = new CrossEntropyLoss();

    public TrainStep(ModelShard shard, Optimizer optimizer, double clipNorm) {
        this.shard = shard;
        this.optimizer = optimizer;
        this.clipNorm = clipNorm;
    }

    /** Runs one step over this rank's part of the global batch. */
    public StepResult run(List<MicroBatch> microBatches, double learningRate) {
        try (TensorScope scope = new TensorScope()) {
            shard.units().forEach(FsdpUnit::zeroGradients);
            Tensor lossSum = HostTensors.zeros(ScalarType.Float, 1);
            long weight = 0;
            for (MicroBatch microBatch : microBatches) {
                weight += addGradients(microBatch, lossSum);
            }
            if (weight == 0) {
                return StepResult.NOTHING_TRAINED;
            }
            Tensor meanLoss = lossSum.div_(new Scalar((double) weight));
            Tensor norm = gradientNorm(weight);
            Tensor finite = torch.isfinite(meanLoss).logical_and_(torch.isfinite(norm));
            optimizer.step(
                    learningRate, divisor(norm, weight), finite.logical_not().to(ScalarType.Float));
            return new StepResult(meanLoss.item_float(), norm.item_float(), weight, !finite.item_bool());
        }
    }

    /**
     * Forward and backward of one micro-batch.
     *
     * @param lossSum [1], added to
     * @return how many labels count
     */
    private long addGradients(MicroBatch microBatch, Tensor lossSum) {
        long[] rows = microBatch.predictingRows();
        if (rows.length == 0) {
            return 0;
        }
        LlamaModel model = shard.model();
        try (TensorScope scope = new TensorScope();
                Tape tape = new Tape()) {
            SequenceContext context = model.context(microBatch.sequences(), microBatch.width(), keyMask(microBatch));
            Tensor tokens = HostTensors.ofLongs(microBatch.tokens(), microBatch.tokens().length);
            Tensor predicting = HostTensors.ofLongs(rows, rows.length);
            Tensor hidden = model.forward(tokens, context, tape); // [R, D]
            Tensor read = hidden.index_select(0, predicting); // [M, D]
            Tensor targets = HostTensors.ofLongs(microBatch.targets(), rows.length);
            LossOutput output = loss.compute(model.logits(read), targets);
            Tensor dHidden = torch.zeros_like(hidden);
            dHidden.index_copy_(0, predicting, model.logitsBackward(output.gradient(), read));
            model.backward(dHidden, context, tape);
            lossSum.add_(output.sum());
            return output.weight();
        }
    }

    /** [1], of the mean's gradient. */
    private Tensor gradientNorm(long weight) {
        try (TensorScope scope = new TensorScope()) {
            TensorVector norms = new TensorVector();
            for (FlatGroup group : shard.groups()) {
                norms.push_back(torch.linalg_vector_norm(group.gradients()));
            }
            Tensor norm = torch.linalg_vector_norm(torch.stack(norms)).view(1);
            return scope.keep(norm.div_(new Scalar((double) weight)));
        }
    }

    /** [1], what sums of gradients are divided by: the weight, and more where the norm exceeds the clip norm. */
    private Tensor divisor(Tensor norm, long weight) {
        return norm.add(Scalars.of(NORM_EPSILON))
                .div_(Scalars.of(clipNorm))
                .clamp_min_(Scalars.of(1))
                .mul_(new Scalar((double) weight));
    }

    private static @Nullable Tensor keyMask(MicroBatch microBatch) {
        long[] mask = microBatch.keyMask();
        return mask == null ? null : HostTensors.ofLongs(mask, microBatch.sequences(), microBatch.width());
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.FsdpUnit;
import org.chorale.training.shard.ModelShard;
import org.jspecify.annotations.Nullable;

/**
 * One optimizer step: forward and backward of each micro-batch, one division by the weight of the whole global batch,
 * clipping, the optimizer.
 *
 * <p>The division comes last and together with clipping, so that k uneven micro-batches give what one large batch gives.
 * Norm, clip coefficient and the verdict whether everything is finite stay tensors until the optimizer has run; the host
 * reads them once, at the end.
 */
public final class TrainStep {
    /** Keeps the clip coefficient finite where the norm is 0, as in torch's clip_grad_norm_. */
    private static final double NORM_EPSILON = 1e-6;

    private final ModelShard shard;
    private final Optimizer optimizer;
    private final double clipNorm;
    private final Objective objective;
    private final @Nullable LossScale lossScale;

    /** Plain language-model training in a format that needs no loss scale. */
    public TrainStep(ModelShard shard, Optimizer optimizer, double clipNorm) {
        this(
                shard,
                optimizer,
                clipNorm,
                new LanguageModelObjective(shard.model(), CrossEntropySettings.PLAIN, 0),
                null);
    }

    /** @param lossScale null where the format needs none */
    public TrainStep(
            ModelShard shard,
            Optimizer optimizer,
            double clipNorm,
            Objective objective,
            @Nullable LossScale lossScale) {
        this.shard = shard;
        this.optimizer = optimizer;
        this.clipNorm = clipNorm;
        this.objective = objective;
        this.lossScale = lossScale;
    }

    /** Runs one step over this rank's part of the global batch, of a run that draws no random numbers. */
    public StepResult run(List<MicroBatch> microBatches, double learningRate) {
        return run(0, microBatches, learningRate);
    }

    /**
     * Runs one step over this rank's part of the global batch.
     *
     * @param step of the run, from 1
     */
    public StepResult run(long step, List<MicroBatch> microBatches, double learningRate) {
        try (TensorScope scope = new TensorScope();
                StepSums sums = new StepSums()) {
            shard.units().forEach(FsdpUnit::zeroGradients);
            objective.addGradients(step, microBatches, lossScale == null ? null : lossScale.scale(), sums);
            if (sums.isEmpty()) {
                return StepResult.NOTHING_TRAINED;
            }
            Tensor loss = sums.loss();
            Tensor ofSums = ofSums(sums.divisor());
            Tensor norm = gradientNorm(ofSums);
            Tensor finite = torch.isfinite(loss).logical_and_(torch.isfinite(norm));
            Tensor notFinite = finite.logical_not().to(ScalarType.Float);
            optimizer.step(learningRate, divisor(norm, ofSums), notFinite);
            boolean skipped = !finite.item_bool();
            return new StepResult(
                    loss.item_float(),
                    norm.item_float(),
                    Math.round(sums.firstWeight()),
                    skipped,
                    follow(notFinite, skipped),
                    sums.means());
        }
    }

    /** @return whether a step that was skipped may have been too large for the format alone */
    private boolean follow(Tensor notFinite, boolean skipped) {
        if (lossScale == null) {
            return false;
        }
        boolean overflow = skipped && lossScale.canShrink();
        lossScale.update(notFinite);
        return overflow;
    }

    /** [1], how much larger the gradients in the buffers are than those of the step's loss. */
    private Tensor ofSums(double divisor) {
        Tensor factor = HostTensors.zeros(ScalarType.Float, 1).add_(new Scalar(divisor));
        return lossScale == null ? factor : factor.mul_(lossScale.scale());
    }

    /** [1], of the step's gradient. */
    private Tensor gradientNorm(Tensor ofSums) {
        try (TensorScope scope = new TensorScope()) {
            TensorVector norms = new TensorVector();
            for (FlatGroup group : shard.groups()) {
                norms.push_back(torch.linalg_vector_norm(group.gradients()));
            }
            Tensor norm = torch.linalg_vector_norm(torch.stack(norms)).view(1);
            return scope.keep(norm.div_(ofSums));
        }
    }

    /** [1], what the gradients in the buffers are divided by: more than they are too large, where the norm is. */
    private Tensor divisor(Tensor norm, Tensor ofSums) {
        return norm.add(Scalars.of(NORM_EPSILON))
                .div_(Scalars.of(clipNorm))
                .clamp_min_(Scalars.of(1))
                .mul_(ofSums);
    }
}

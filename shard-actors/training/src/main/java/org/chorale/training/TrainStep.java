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
import org.chorale.training.shard.ModelShard;
import org.jspecify.annotations.Nullable;

/**
 * One optimizer step: forward and backward of each micro-batch, one division by the weight of the whole global batch,
 * clipping, the optimizer.
 *
 * <p>The division comes last and together with clipping, so that k uneven micro-batches give what one large batch gives.
 * Norm, loss and the verdict whether everything is finite are of all ranks together: one exchange of sums at the end of
 * the step brings them to the host, before the optimizer runs.
 */
public final class TrainStep {
    /** Keeps the clip coefficient finite where the norm is 0, as in torch's clip_grad_norm_. */
    private static final double NORM_EPSILON = 1e-6;

    private final ModelShard shard;
    private final Optimizer optimizer;
    private final double clipNorm;
    private final Objective objective;
    private final @Nullable LossScale lossScale;
    private final WorldSums worldSums;

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
        this.worldSums = new WorldSums(shard.ranks().world());
    }

    /** Runs one step of one rank, of a run that draws no random numbers. */
    public StepResult run(List<MicroBatch> microBatches, double learningRate) {
        return run(0, microBatches, learningRate, false);
    }

    /**
     * Runs one step over this rank's part of the global batch, together with all other ranks.
     *
     * @param step of the run, from 1
     * @param microBatches as many on every rank, some of them without sequences where a rank has fewer
     * @param stopWanted whether this rank was told to stop, which all ranks learn with the result
     */
    public StepResult run(long step, List<MicroBatch> microBatches, double learningRate, boolean stopWanted) {
        try (TensorScope scope = new TensorScope();
                StepSums sums = new StepSums()) {
            shard.beginStep(microBatches.size());
            objective.addGradients(step, microBatches, lossScale == null ? null : lossScale.scale(), sums);
            shard.endBackward();
            WorldSums.Sums all = worldSums.add(sums.totals().byKey(), ownSquares(), stopWanted ? 1 : 0);
            StepTotals totals = StepTotals.ofKeys(all.totals());
            boolean stop = all.number(1) > 0;
            if (totals.isEmpty()) {
                return StepResult.nothingTrained(stop);
            }
            Tensor ofSums = ofSums(sums.divisor(totals));
            Tensor norm = number(Math.sqrt(all.number(0))).div_(ofSums);
            boolean skipped = !Double.isFinite(totals.loss()) || !Float.isFinite(norm.item_float());
            Tensor notFinite = number(skipped ? 1 : 0);
            optimizer.step(learningRate, divisor(norm, ofSums), notFinite);
            return new StepResult(
                    (float) totals.loss(),
                    norm.item_float(),
                    Math.round(totals.firstWeight()),
                    skipped,
                    follow(notFinite, skipped),
                    stop,
                    totals.means());
        }
    }

    /**
     * The sum of the squares of the gradients that this rank holds, such that those of all ranks add up to that of the
     * whole gradient. Waits for the device.
     */
    private double ownSquares() {
        try (TensorScope scope = new TensorScope()) {
            TensorVector norms = new TensorVector();
            for (FlatGroup group : shard.groups()) {
                norms.push_back(torch.linalg_vector_norm(group.gradients()));
            }
            double norm = torch.linalg_vector_norm(torch.stack(norms)).item_float();
            return norm * norm / shard.ranks().replicas().worldSize();
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
        Tensor factor = number(divisor);
        return lossScale == null ? factor : factor.mul_(lossScale.scale());
    }

    /** [1] fp32 */
    private static Tensor number(double value) {
        return HostTensors.zeros(ScalarType.Float, 1).add_(new Scalar(value));
    }

    /** [1], what the gradients in the buffers are divided by: more than they are too large, where the norm is. */
    private Tensor divisor(Tensor norm, Tensor ofSums) {
        return norm.add(Scalars.of(NORM_EPSILON))
                .div_(Scalars.of(clipNorm))
                .clamp_min_(Scalars.of(1))
                .mul_(ofSums);
    }
}

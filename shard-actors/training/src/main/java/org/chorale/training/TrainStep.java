// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.training.loss.CrossEntropySettings;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.pipeline.LossOutput.Mean;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.jspecify.annotations.Nullable;

/**
 * One optimizer step: forward and backward of each micro-batch, one division by the weight of the whole global batch,
 * clipping, the optimizer.
 *
 * <p>The division comes last and together with clipping, so that k uneven micro-batches give what one large batch gives.
 * Norm, loss and the verdict whether everything is finite are of all ranks together, by one all-reduce at the end of the
 * step. They stay on the device: the optimizer is gated there, and the host reads them when it likes, at best after it
 * has begun the next step, so that the device never waits for the host.
 */
public final class TrainStep {
    /** Steps that have begun and were not read: the one that runs, and the next. */
    private static final int MAX_UNREAD = 2;

    /** Nobody's step takes that long. */
    private static final Duration LONGEST_STEP = Duration.ofDays(1);

    private final ModelShard shard;
    private final Optimizer optimizer;
    private final double clipNorm;
    private final Objective objective;
    private final @Nullable LossScale lossScale; // null where there is nothing to multiply by
    private final Duration patience;
    private final StepNames names;
    private final Deque<PendingStep> unread = new ArrayDeque<>();

    /** Plain language-model training in a format that needs no loss scale. */
    public TrainStep(ModelShard shard, Optimizer optimizer, double clipNorm) {
        this(shard, optimizer, clipNorm, new LanguageModelObjective(shard, CrossEntropySettings.PLAIN, 0), null);
    }

    /** @param lossScale null where the format needs none */
    public TrainStep(
            ModelShard shard,
            Optimizer optimizer,
            double clipNorm,
            Objective objective,
            @Nullable LossScale lossScale) {
        this(shard, optimizer, clipNorm, objective, lossScale, LONGEST_STEP);
    }

    /**
     * @param lossScale null where the format needs none
     * @param patience how long a step may take until its numbers are on the host
     */
    public TrainStep(
            ModelShard shard,
            Optimizer optimizer,
            double clipNorm,
            Objective objective,
            @Nullable LossScale lossScale,
            Duration patience) {
        this.shard = shard;
        this.optimizer = optimizer;
        this.clipNorm = clipNorm;
        this.objective = objective;
        this.lossScale = lossScale != null && lossScale.isDynamic() ? lossScale : null;
        this.patience = patience;
        this.names = new StepNames(shard.ranks().world());
    }

    /** Runs one step of one rank, of a run that draws no random numbers. */
    public StepResult run(List<MicroBatch> microBatches, double learningRate) {
        return run(0, microBatches, learningRate, false);
    }

    /** Runs one step to its end, like {@link #begin}. */
    public StepResult run(long step, List<MicroBatch> microBatches, double learningRate, boolean stopWanted) {
        try (PendingStep pending = begin(step, microBatches, learningRate, stopWanted)) {
            return pending.await();
        }
    }

    /**
     * Begins one step over this rank's part of the global batch, together with all other ranks. What is begun on a GPU is
     * enqueued, and nothing waits for it; on the CPU it is done when this returns.
     *
     * @param step of the run, from 1
     * @param microBatches as many on every rank, some of them without sequences where a rank has fewer
     * @param stopWanted whether this rank was told to stop, which all ranks learn with the result
     * @return read or closed before the step after the next begins
     */
    public PendingStep begin(long step, List<MicroBatch> microBatches, double learningRate, boolean stopWanted) {
        refuseUnread();
        Tensor scale = lossScale == null ? null : lossScale.scale();
        try (TensorScope scope = new TensorScope();
                StepSums sums = new StepSums()) {
            shard.beginStep(microBatches.size());
            objective.addGradients(step, microBatches, scale, sums);
            shard.endBackward();
            Map<String, Mean> own = sums.byKey();
            StepVector layout = StepVector.of(names.agreed(own.keySet()));
            Tensor vector = overWorld(layout.fill(ownSquares(), own, stopWanted, shard.device()));
            StepVerdict verdict = StepVerdict.of(layout, vector, sums.isDividedLast(), lossScale, clipNorm);
            optimizer.step(learningRate, verdict.divisor(), verdict.gated());
            shard.endStep();
            Tensor usedScale = scale == null ? shard.device().zeros(ScalarType.Float, 1) : scale.clone();
            if (lossScale != null) {
                lossScale.update(verdict.notFinite(), verdict.empty());
            }
            PendingStep pending =
                    PendingStep.of(names, layout, vector, verdict, usedScale, layout.strangers(own), patience);
            unread.add(pending);
            return pending;
        }
    }

    private void refuseUnread() {
        unread.removeIf(PendingStep::isOver);
        if (unread.size() >= MAX_UNREAD) {
            throw new IllegalStateException(unread.size() + " steps have begun that nobody has read");
        }
    }

    /**
     * The sum of the squares of the gradients that this rank holds, such that those of all ranks add up to that of the
     * whole gradient: [1] fp64.
     */
    private Tensor ownSquares() {
        Tensor squares = GradientNorm.squares(
                shard.groups().stream().map(FlatGroup::gradients).toList());
        int replicas = shard.ranks().replicas().worldSize();
        return replicas == 1 ? squares : squares.div_(Scalars.of(replicas));
    }

    private Tensor overWorld(Tensor vector) {
        Collectives world = shard.ranks().world();
        if (world.worldSize() > 1) {
            world.allReduce(vector, Reduction.SUM).await();
        }
        return vector;
    }
}

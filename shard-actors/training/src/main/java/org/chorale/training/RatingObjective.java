// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.DropoutKeys;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.Collectives.Reduction;
import org.chorale.tensor.device.Device;
import org.chorale.training.MicroBatch.Role;
import org.chorale.training.preference.Judgement;
import org.chorale.training.preference.KtoLoss;
import org.chorale.training.shard.ModelShard;
import org.jspecify.annotations.Nullable;

/**
 * Training on rated answers: KTO. The loss is a mean over the rated answers of the global batch, and the divergence that
 * they are held against is one over the mismatched answers of the whole global batch: so every micro-batch runs forward
 * once before the first backward. Of an evaluation it is one over all held-out examples. What cutting has left empty
 * does not count.
 *
 * <p>N examples are 2 N sequences: each rated answer, and behind it the mismatched one.
 */
public final class RatingObjective implements Objective {
    private final Device device;
    private final Collectives world;
    private final SequenceScores policy;
    private final ReferenceScores reference;
    private final KtoLoss loss;
    private final long seed;
    private HeldTensors evaluatedOwner = new HeldTensors();
    private final List<Evaluated> evaluated = new ArrayList<>();

    /**
     * What is known of a micro-batch before its backward.
     *
     * @param batch the N rated answers
     * @param reference what the reference makes of them, [N]
     * @param mismatched [2]: the sum of log-probability ratios over mismatched answers, and how many count
     */
    private record Rated(MicroBatch batch, Tensor reference, Tensor mismatched) {}

    /** Likewise in an evaluation, with what the policy makes of the rated answers, [N]. */
    private record Evaluated(Rated rated, Tensor policy) {}

    /**
     * @param reference closed with this
     * @param seed of the run, which keys dropout
     */
    public RatingObjective(ModelShard shard, ReferenceScores reference, KtoLoss loss, long seed) {
        this.device = shard.device();
        this.world = shard.ranks().world();
        this.policy = new SequenceScores(shard.model());
        this.reference = reference;
        this.loss = loss;
        this.seed = seed;
    }

    @Override
    public void addGradients(long step, List<MicroBatch> microBatches, @Nullable Tensor upstream, StepSums sums) {
        try (TensorScope scope = new TensorScope()) {
            List<Rated> all = microBatches.stream().map(this::rated).toList();
            Tensor divergence = divergence(all);
            for (Rated rated : all) {
                MicroBatch batch = rated.batch();
                DropoutKeys keys = DropoutKeys.of(seed, step, batch.samples(), batch.width());
                policy.train(batch, keys, upstream, found -> add(rated, found, divergence, sums));
            }
        }
        sums.divideLast();
    }

    @Override
    public void evaluate(MicroBatch batch, StepSums sums) {
        try (TensorScope scope = new TensorScope()) {
            Rated rated = rated(batch);
            Tensor found = policy.of(rated.batch());
            evaluatedOwner.hold(rated.reference());
            evaluatedOwner.hold(rated.mismatched());
            evaluated.add(new Evaluated(rated, evaluatedOwner.hold(found)));
        }
    }

    @Override
    public void finishEvaluation(StepSums sums) {
        try (TensorScope scope = new TensorScope()) {
            Tensor divergence =
                    divergence(evaluated.stream().map(Evaluated::rated).toList());
            evaluated.forEach(one -> add(one.rated(), one.policy(), divergence, sums));
        }
        forgetEvaluation();
    }

    private Rated rated(MicroBatch batch) {
        try (TensorScope scope = new TensorScope()) {
            Tensor compared = reference.of(batch).view(-1, 2); // [N, 2]
            MicroBatch mismatched = batch.everySecond(1);
            Tensor found = policy.of(mismatched); // [N]
            Tensor counts = flags(mismatched, role -> true);
            Tensor sum = found.sub(compared.select(1, 1)).mul(counts).sum();
            return new Rated(
                    batch.everySecond(0),
                    scope.keep(compared.select(1, 0)),
                    scope.keep(torch.stack(new TensorVector(sum, counts.sum()))));
        }
    }

    /** Over all ranks, [1]; in the caller's scope. */
    private Tensor divergence(List<Rated> all) {
        try (TensorScope scope = new TensorScope()) {
            Tensor sums = device.zeros(ScalarType.Double, 2);
            all.forEach(rated -> sums.add_(rated.mismatched()));
            if (world.worldSize() > 1) {
                world.allReduce(sums, Reduction.SUM).await();
            }
            Tensor mean = sums.narrow(0, 0, 1).div(sums.narrow(0, 1, 1).clamp_min(Scalars.of(1)));
            return scope.keep(mean.clamp_min_(Scalars.of(0)));
        }
    }

    /** @return the gradient of the loss's sum, [N] */
    private Tensor add(Rated rated, Tensor found, Tensor divergence, StepSums sums) {
        MicroBatch batch = rated.batch();
        Tensor desirable = flags(batch, role -> role == Role.DESIRABLE);
        Tensor undesirable = flags(batch, role -> role == Role.UNDESIRABLE);
        KtoLoss.Answers answers = new KtoLoss.Answers(found, rated.reference(), desirable, undesirable);
        Judgement judged = loss.judge(
                answers,
                divergence,
                counted(batch, role -> role == Role.DESIRABLE),
                counted(batch, role -> role == Role.UNDESIRABLE));
        sums.add(judged.output());
        return judged.gradient();
    }

    /** 1 for sequences of a role that are not empty, 0 for others; [B] fp64. */
    private Tensor flags(MicroBatch batch, Predicate<Role> wanted) {
        long[] flags = ones(batch, wanted);
        return device.ofLongs(flags, flags.length).to(ScalarType.Double);
    }

    private static long counted(MicroBatch batch, Predicate<Role> wanted) {
        return LongStream.of(ones(batch, wanted)).sum();
    }

    private static long[] ones(MicroBatch batch, Predicate<Role> wanted) {
        long[] counts = batch.trainedTokens();
        return IntStream.range(0, counts.length)
                .mapToLong(i -> counts[i] > 0 && wanted.test(batch.roles().get(i)) ? 1 : 0)
                .toArray();
    }

    private void forgetEvaluation() {
        evaluated.clear();
        evaluatedOwner.close();
        evaluatedOwner = new HeldTensors();
    }

    @Override
    public void close() {
        forgetEvaluation();
        reference.close();
    }
}

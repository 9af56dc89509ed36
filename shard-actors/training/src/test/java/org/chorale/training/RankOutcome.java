// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.device.Device;
import org.chorale.training.RankRun.Setup;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.shard.FlatGroup;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.RankShards;
import org.chorale.training.shard.UnitLayout.Slice;

/**
 * What one rank finds in a run: the same whether it is a thread or a process, from which it comes as bytes with every bit.
 *
 * @param results of each step
 * @param gradients of the first step, as the optimizer took them
 * @param weights after the last step
 */
record RankOutcome(List<StepResult> results, List<Piece> gradients, List<Piece> weights) {
    /**
     * Neighbouring elements of a parameter that the rank holds.
     *
     * @param elements of the whole parameter
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Piece(String parameter, int elements, int from, float[] values) {}

    /** Runs the steps on this rank. */
    static RankOutcome of(RankTask task, Setup setup, Collectives world) {
        try (RankGroups ranks = setup.mode().groups(world, setup.reduceEachMicroBatch());
                ModelShard shard = RankShards.load(task.folder(), task.source(), setup.precision(), ranks);
                Optimizer optimizer = Optimizer.of(task.optimizer(setup.clipNorm()), shard.groups());
                LossScale lossScale = LossScale.of(setup.precision(), Device.CPU);
                Objective objective = task.objective(shard)) {
            shard.model().recompute(RecomputePlan.every(setup.recompute()));
            List<StepResult> results = new ArrayList<>();
            List<Piece> gradients = new ArrayList<>();
            Optimizer watched = new WatchedOptimizer(optimizer, () -> {
                if (results.isEmpty()) {
                    shard.groups().forEach(group -> gradients.addAll(pieces(group, group.gradients())));
                }
            });
            TrainStep step = new TrainStep(shard, watched, setup.clipNorm(), objective, lossScale);
            for (int i = 1; i <= task.steps(); i++) {
                results.add(step.run(i, task.part(i, world.rank(), setup), RankRun.LEARNING_RATE, false));
            }
            Stream<Piece> weights = shard.groups().stream().flatMap(group -> pieces(group, group.master()).stream());
            return new RankOutcome(results, gradients, weights.toList());
        }
    }

    private static List<Piece> pieces(FlatGroup group, Tensor part) {
        float[] values = read(part);
        List<Piece> pieces = new ArrayList<>();
        for (Slice slice : group.layout().slices()) {
            int at = (int) slice.at();
            int until = (int) (slice.at() + slice.elements());
            pieces.add(new Piece(
                    slice.segment().parameter(),
                    (int) slice.segment().elements(),
                    (int) slice.from(),
                    Arrays.copyOfRange(values, at, until)));
            Arrays.fill(values, at, until, 0);
        }
        for (float padding : values) {
            if (padding != 0) {
                throw new AssertionError("padding of " + group.parameters().keySet() + " is " + padding);
            }
        }
        return pieces;
    }

    private static float[] read(Tensor tensor) {
        try (TensorScope scope = new TensorScope()) {
            float[] values = new float[(int) tensor.numel()];
            tensor.to(ScalarType.Float).contiguous().<FloatBuffer>createBuffer().get(values);
            return values;
        }
    }

    void writeTo(DataOutputStream out) throws IOException {
        out.writeInt(results.size());
        for (StepResult result : results) {
            write(result, out);
        }
        for (List<Piece> pieces : List.of(gradients, weights)) {
            out.writeInt(pieces.size());
            for (Piece piece : pieces) {
                write(piece, out);
            }
        }
    }

    static RankOutcome readFrom(DataInputStream in) throws IOException {
        List<StepResult> results = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
            results.add(readResult(in));
        }
        return new RankOutcome(results, readPieces(in), readPieces(in));
    }

    private static void write(StepResult result, DataOutputStream out) throws IOException {
        out.writeDouble(result.lossNats());
        out.writeDouble(result.gradNorm());
        out.writeLong(result.trainedTokens());
        out.writeBoolean(result.skipped());
        out.writeBoolean(result.overflow());
        out.writeDouble(result.lossScale());
        out.writeBoolean(result.stop());
        out.writeInt(result.metrics().size());
        for (Map.Entry<String, Double> metric : result.metrics().entrySet()) {
            out.writeUTF(metric.getKey());
            out.writeDouble(metric.getValue());
        }
    }

    private static StepResult readResult(DataInputStream in) throws IOException {
        return new StepResult(
                in.readDouble(),
                in.readDouble(),
                in.readLong(),
                in.readBoolean(),
                in.readBoolean(),
                in.readDouble(),
                in.readBoolean(),
                readMetrics(in));
    }

    private static Map<String, Double> readMetrics(DataInputStream in) throws IOException {
        Map<String, Double> metrics = new LinkedHashMap<>();
        for (int left = in.readInt(); left > 0; left--) {
            metrics.put(in.readUTF(), in.readDouble());
        }
        return metrics;
    }

    private static void write(Piece piece, DataOutputStream out) throws IOException {
        out.writeUTF(piece.parameter());
        out.writeInt(piece.elements());
        out.writeInt(piece.from());
        out.writeInt(piece.values().length);
        for (float value : piece.values()) {
            out.writeFloat(value);
        }
    }

    private static List<Piece> readPieces(DataInputStream in) throws IOException {
        List<Piece> pieces = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
            String parameter = in.readUTF();
            int elements = in.readInt();
            int from = in.readInt();
            float[] values = new float[in.readInt()];
            for (int i = 0; i < values.length; i++) {
                values[i] = in.readFloat();
            }
            pieces.add(new Piece(parameter, elements, from, values));
        }
        return pieces;
    }
}

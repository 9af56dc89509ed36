// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.DoubleBuffer;
import java.util.Map;
import java.util.SortedMap;
import java.util.stream.IntStream;
import org.chorale.model.ModelFolder;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.reference.SequenceKey;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.MicroBatch;
import org.chorale.training.Reference;
import org.chorale.training.ReferenceScores;
import org.chorale.training.preference.PreferenceConfig;
import org.chorale.training.shard.ModelShard;

/**
 * A run's reference by itself, on one device and before the run: nothing is trained beside it, so that it takes the room
 * of its weights and of one forward pass. Used on one thread.
 */
public final class ReferencePrecomputation implements AutoCloseable {
    private final ModelFolder folder;
    private final ModelShard shard;
    private final ReferenceScores reference;
    private final Map<String, String> origin;

    private ReferencePrecomputation(
            ModelFolder folder, ModelShard shard, ReferenceScores reference, Map<String, String> origin) {
        this.folder = folder;
        this.shard = shard;
        this.reference = reference;
        this.origin = origin;
    }

    /**
     * Loads the reference onto the device that the run names; of several GPUs, onto the first.
     *
     * @param runConf resolved, of a run whose loss compares with a reference
     */
    public static ReferencePrecomputation open(String runConf) {
        PreferenceConfig preference = ConfigReader.read(runConf, PreferenceConfig.KEY, PreferenceConfig.class);
        DeviceSetup setup = DeviceSetup.of(runConf);
        Device device = setup.device().of(0, Device.gpus());
        setup.apply(device);
        ModelFolder folder = RunModel.folder(runConf, setup.precision().fp8());
        try {
            Reference alone = Reference.alone(folder, preference).orElseThrow();
            ModelShard shard = ModelShard.frozen(folder, setup.precision().precision(), device);
            return new ReferencePrecomputation(
                    folder, shard, alone.over(shard), StoredScores.origin(folder, preference, setup.precision()));
        } catch (RuntimeException e) {
            folder.close();
            throw e;
        }
    }

    /** What its log-probabilities come from beside the data, by name. */
    public Map<String, String> origin() {
        return origin;
    }

    /**
     * Adds the log-probabilities of a batch's sequences to those that are known; what is known is not computed again.
     *
     * @return how many were added
     * @throws FaultException NOT_FINITE where one of them is no number
     */
    public int add(StepBatch batch, SortedMap<SequenceKey, Double> known) {
        int before = known.size();
        MicroBatches.of(batch).forEach(microBatch -> add(microBatch, known));
        return known.size() - before;
    }

    private void add(MicroBatch batch, SortedMap<SequenceKey, Double> known) {
        long[] counts = batch.trainedTokens();
        int[] counted =
                IntStream.range(0, counts.length).filter(i -> counts[i] > 0).toArray();
        if (IntStream.of(counted).allMatch(i -> known.containsKey(StoredScores.key(batch, i)))) {
            return;
        }
        double[] found = found(batch);
        for (int i : counted) {
            if (!Double.isFinite(found[i])) {
                throw new FaultException(
                        FaultCode.NOT_FINITE,
                        "the reference gives %s for the log-probability of example %d; try precision = fp32 or bf16"
                                .formatted(found[i], batch.samples()[i]));
            }
            known.putIfAbsent(StoredScores.key(batch, i), found[i]);
        }
    }

    private double[] found(MicroBatch batch) {
        try (TensorScope scope = new TensorScope()) {
            double[] found = new double[batch.sequences()];
            reference.of(batch).cpu().<DoubleBuffer>createBuffer().get(found);
            return found;
        }
    }

    @Override
    public void close() {
        try (folder;
                shard) {
            reference.close();
        }
    }
}

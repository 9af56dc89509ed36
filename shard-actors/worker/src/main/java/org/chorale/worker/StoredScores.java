// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.reference.LogProbabilities;
import org.chorale.proto.reference.SequenceKey;
import org.chorale.tensor.device.Device;
import org.chorale.training.Fp8Config;
import org.chorale.training.MicroBatch;
import org.chorale.training.PrecisionConfig;
import org.chorale.training.Reference;
import org.chorale.training.ReferenceScores;
import org.chorale.training.preference.PreferenceConfig;

/** What a reference made of sequences before the run, looked up in its file by what they are. */
record StoredScores(Path file, LogProbabilities values, Device device) implements ReferenceScores {
    private static final String KEY = PreferenceConfig.KEY + ".precomputed";

    /**
     * Opens the file of a run.
     *
     * @throws FaultException where it is missing or malformed, or of another reference than the run's
     */
    static LogProbabilities open(Path file, Map<String, String> origin) {
        LogProbabilities found = LogProbabilities.open(file);
        List<String> differences = found.differences(origin);
        if (!differences.isEmpty()) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "%s = %s: was computed by another reference (%s); let chorale precompute make it anew"
                            .formatted(KEY, file, String.join("; ", differences)));
        }
        return found;
    }

    /** What log-probabilities come from beside the data, by name. */
    static Map<String, String> origin(ModelFolder folder, PreferenceConfig preference, PrecisionConfig precision) {
        Map<String, String> origin = new LinkedHashMap<>();
        Reference.alone(folder, preference)
                .ifPresent(reference -> origin.put("the model's fingerprint", reference.fingerprint()));
        origin.put("precision", precision.precision().word());
        Fp8Config fp8 = precision.fp8();
        origin.put("fp8.scaling", "%s without %s %s".formatted(fp8.word(), fp8.exclude(), fp8.excludeLayers()));
        return origin;
    }

    @Override
    public Tensor of(MicroBatch batch) {
        int sequences = batch.sequences();
        if (sequences == 0) {
            return device.zeros(ScalarType.Double, 0);
        }
        long[] counts = batch.trainedTokens();
        double[] found = new double[sequences];
        for (int i = 0; i < sequences; i++) {
            found[i] = counts[i] == 0 ? 0 : find(batch, i); // where no label counts, nothing is computed
        }
        return device.ofDoubles(found, sequences);
    }

    private double find(MicroBatch batch, int sequence) {
        return values.find(key(batch, sequence)).orElseThrow(() -> missing(batch, sequence));
    }

    static SequenceKey key(MicroBatch batch, int sequence) {
        int length = (int) batch.lengths()[sequence];
        return SequenceKey.of(batch.tokens(), batch.labels(), sequence * batch.width(), length);
    }

    private FaultException missing(MicroBatch batch, int sequence) {
        return new FaultException(
                FaultCode.CONFIG_INVALID,
                ("%s = %s: has no log-probability of example %d, %s: its tokens, or which of them count, are others than"
                                + " when the file was computed (a chat template may write the day); chorale precompute"
                                + " adds what is missing")
                        .formatted(
                                KEY,
                                file,
                                batch.samples()[sequence],
                                batch.roles().get(sequence).name().toLowerCase(Locale.ROOT)));
    }
}

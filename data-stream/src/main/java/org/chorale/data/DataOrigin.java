// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.chorale.data.disk.Sha256;
import org.chorale.data.example.Learning;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.reference.LogProbabilities;

/**
 * What a run's sequences of preferences come from, so that a run notices that a file was computed from others. Which
 * answers stand beside each other is part of it where the loss looks at neighbours.
 */
final class DataOrigin {
    private static final String TRAINING = "training data";
    private static final String NONE = "none";

    private DataOrigin() {}

    static Map<String, String> of(RunData data) {
        FeedSettings settings = data.settings();
        DataConfig config = settings.data();
        Map<String, String> origin = new LinkedHashMap<>();
        origin.put(TRAINING, data.digest());
        origin.put(
                "held-out data", data.eval().map(eval -> digest(config, eval)).orElse(NONE));
        origin.put("data.sequence-tokens", String.valueOf(config.sequenceTokens()));
        origin.put("data.chat.train-on", config.chat().trainOn().name());
        if (settings.preference().learning() == Learning.RATINGS) {
            origin.put("run.seed", String.valueOf(settings.run().seed()));
            origin.put("steps of the run", String.valueOf(data.steps()));
            origin.put("data.global-batch", String.valueOf(config.globalBatch()));
            origin.put("data.group-by-length", config.groupByLength() ? "in windows of " + config.window() : NONE);
        }
        return origin;
    }

    private static String digest(DataConfig config, Corpus eval) {
        return Sha256.hex(new Fingerprint(config, eval).lines().getBytes(StandardCharsets.US_ASCII));
    }

    /** @throws FaultException where a run has a file that was computed from other data, or from a part of it */
    static void refuseOther(RunData data) {
        data.settings().preference().precomputed().ifPresent(file -> refuseOther(file, of(data)));
    }

    private static void refuseOther(Path file, Map<String, String> here) {
        LogProbabilities found = LogProbabilities.open(file);
        List<String> differences = found.differences(here);
        if (!found.origin().containsKey(TRAINING)) {
            throw refused(file, "is not complete; chorale precompute goes on with it");
        } else if (!differences.isEmpty()) {
            throw refused(
                    file,
                    "was computed from other data (%s); chorale precompute adds what is missing"
                            .formatted(String.join("; ", differences)));
        }
    }

    private static FaultException refused(Path file, String why) {
        return new FaultException(
                FaultCode.CONFIG_INVALID, "loss.preference.precomputed = %s: %s".formatted(file, why));
    }
}

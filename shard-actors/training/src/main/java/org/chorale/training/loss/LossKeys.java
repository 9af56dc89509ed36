// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.loss;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.pytorch.Tensor;
import org.chorale.training.pipeline.ComponentConfig;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;

/**
 * What a loss reads: the prediction among the tensors that flow, the target and the mask in the context.
 *
 * @param prediction name of the tensor
 * @param target key in the context
 * @param mask key in the context; empty where everything counts
 * @param contract blank where none is declared: the ranks depend on the pipeline
 */
record LossKeys(String prediction, String target, Optional<String> mask, String contract) {
    private static final String PREDICTION = "prediction";
    private static final String TARGET = "target";
    private static final String MASK = "mask";
    private static final String CONTRACT = "contract";

    /** Of a configuration, in which all of these may be missing, and which has no keys but these and {@code more}. */
    static LossKeys read(Config config, String prediction, String... more) {
        Set<String> known = new TreeSet<>(Set.of(more));
        known.addAll(Set.of(PREDICTION, TARGET, MASK, CONTRACT));
        refuseOthers(config, known);
        return new LossKeys(
                config.hasPath(PREDICTION) ? config.getString(PREDICTION) : prediction,
                config.hasPath(TARGET) ? config.getString(TARGET) : Context.TARGET,
                config.hasPath(MASK) ? Optional.of(config.getString(MASK)) : Optional.empty(),
                config.hasPath(CONTRACT) ? config.getString(CONTRACT) : "");
    }

    static void refuseOthers(Config config, Set<String> known) {
        ComponentConfig.refuseOtherKeys(config, known);
    }

    /** Everything counts, and no contract is declared. */
    static LossKeys of(String prediction, String target) {
        return new LossKeys(prediction, target, Optional.empty(), "");
    }

    LossKeys masked(String key) {
        return new LossKeys(prediction, target, Optional.of(key), contract);
    }

    LossKeys declaring(String declared) {
        return new LossKeys(prediction, target, mask, declared);
    }

    Config config() {
        Map<String, Object> values = new LinkedHashMap<>(Map.of(PREDICTION, prediction, TARGET, target));
        mask.ifPresent(key -> values.put(MASK, key));
        if (!contract.isBlank()) {
            values.put(CONTRACT, contract);
        }
        return ConfigFactory.parseMap(values);
    }

    Tensor prediction(NamedTensors outputs) {
        return outputs.get(prediction);
    }

    Tensor target(Context context) {
        return context.tensor(target);
    }

    Optional<Tensor> mask(Context context) {
        return mask.map(context::tensor);
    }
}

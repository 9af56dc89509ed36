// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

import com.typesafe.config.Config;
import java.util.List;
import java.util.Optional;

/**
 * The keys below {@code pipeline}.
 *
 * @param preprocess stages before the model, in order
 * @param postprocess stages after it, in order
 * @param loss what the parameters are moved against; cross entropy where it is not set
 * @param model a user's own; the one of {@code model.path} where it is not set
 * @param contracts what becomes of the contracts
 */
public record PipelineConfig(
        List<ComponentConfig> preprocess,
        List<ComponentConfig> postprocess,
        Choice loss,
        ModelChoice model,
        ContractMode contracts) {
    public static final String KEY = "pipeline";
    public static final String PREPROCESS = KEY + ".preprocess";
    public static final String POSTPROCESS = KEY + ".postprocess";
    public static final String LOSS = KEY + ".loss";
    public static final String MODEL = KEY + ".model";

    /** A component that need not be there. */
    public record Choice(Optional<String> type, Config config) {
        Optional<ComponentConfig> component() {
            return type.map(name -> new ComponentConfig(name, Optional.of(config)));
        }
    }

    /**
     * A model that need not be there.
     *
     * @param contract of whichever model it is; where it is empty, the model's own
     */
    public record ModelChoice(Optional<String> type, Config config, Optional<String> contract) {
        Optional<ComponentConfig> component() {
            return type.map(name -> new ComponentConfig(name, Optional.of(config)));
        }
    }

    public PipelineConfig {
        if (loss.type().isEmpty() && !loss.config().isEmpty()) {
            throw new IllegalArgumentException(
                    LOSS + ".config is set, but not " + LOSS + ".type: name the loss's class");
        }
        if (model.type().isEmpty() && !model.config().isEmpty()) {
            throw new IllegalArgumentException(
                    MODEL + ".config is set, but not " + MODEL + ".type: name the model's class");
        }
    }

    /** The key of a stage: {@code pipeline.preprocess[0]}. */
    public static String element(String list, int index) {
        return "%s[%d]".formatted(list, index);
    }

    /** Whether there is anything but a language model and its cross entropy. */
    public boolean isUsed() {
        return !preprocess.isEmpty() || !postprocess.isEmpty() || loss.type().isPresent() || hasOwnModel();
    }

    /** Whether the model is a user's own. */
    public boolean hasOwnModel() {
        return model.type().isPresent();
    }
}

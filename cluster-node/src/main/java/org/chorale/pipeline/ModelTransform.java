// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import java.util.function.UnaryOperator;
import org.chorale.training.pipeline.AutogradModel;

/** A change of a model before it is trained. */
@FunctionalInterface
public interface ModelTransform {
    ModelFactory apply(ModelFactory model);

    /** Leaves parameters as they are, by globs over their names. */
    static ModelTransform freeze(String... globs) {
        return model -> model.freeze(globs);
    }

    /** Puts another model around a user's own. */
    static ModelTransform wrap(UnaryOperator<AutogradModel> wrapper) {
        return model -> model.wrap(wrapper);
    }
}

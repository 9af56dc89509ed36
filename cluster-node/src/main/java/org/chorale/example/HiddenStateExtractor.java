// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example;

import com.typesafe.config.Config;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PostProcessor;

/** Puts the hidden states into the context, where a second loss finds them. */
public final class HiddenStateExtractor implements PostProcessor {
    public HiddenStateExtractor() {}

    public HiddenStateExtractor(Config config) {
        this();
    }

    @Override
    public String contract() {
        return "hidden:3:f -> hidden:3:f | ctx.hidden_states:3:f";
    }

    @Override
    public NamedTensors process(NamedTensors outputs, Context context) {
        context.put("hidden_states", outputs.get(NamedTensors.HIDDEN));
        return outputs;
    }
}

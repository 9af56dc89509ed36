// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example;

import com.typesafe.config.Config;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PreProcessor;

/** Sets arguments of the model's forward: every key of its configuration is one. */
public final class ForwardArguments implements PreProcessor {
    private final Config arguments;

    public ForwardArguments(Config arguments) {
        this.arguments = arguments;
    }

    @Override
    public String contract() {
        return "batch:2:i64 -> batch:2:i64";
    }

    @Override
    public NamedTensors process(NamedTensors batch, Context context) {
        arguments.root().unwrapped().forEach(context::putArgument);
        return batch;
    }

    @Override
    public Config config() {
        return arguments;
    }
}

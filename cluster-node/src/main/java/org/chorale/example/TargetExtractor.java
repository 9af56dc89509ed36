// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.example;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.Map;
import org.chorale.training.pipeline.Context;
import org.chorale.training.pipeline.NamedTensors;
import org.chorale.training.pipeline.PostProcessor;

/** Makes something of the context the target of the loss. */
public final class TargetExtractor implements PostProcessor {
    private static final String KEY = "target-key";

    private final String key;

    public TargetExtractor(String key) {
        this.key = key;
    }

    public TargetExtractor(Config config) {
        this(config.getString(KEY));
    }

    @Override
    public String contract() {
        return "| ctx.%s:2:i64 -> | ctx.target:2:i64".formatted(key);
    }

    @Override
    public NamedTensors process(NamedTensors outputs, Context context) {
        context.put(Context.TARGET, context.tensor(key));
        return outputs;
    }

    @Override
    public Config config() {
        return ConfigFactory.parseMap(Map.of(KEY, key));
    }
}

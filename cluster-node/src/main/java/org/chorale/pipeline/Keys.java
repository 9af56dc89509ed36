// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.pipeline;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigValueFactory;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Keys of a run and their values, as a run's file would set them; later ones count. Unchangeable. */
final class Keys {
    static final Keys NONE = new Keys(Map.of());

    private final Map<String, Object> values;

    private Keys(Map<String, Object> values) {
        this.values = values;
    }

    Keys with(String key, Object value) {
        Map<String, Object> more = new LinkedHashMap<>(values);
        more.put(key, value instanceof Path path ? path.toString() : value);
        return new Keys(more);
    }

    Keys with(Keys others) {
        Map<String, Object> more = new LinkedHashMap<>(values);
        more.putAll(others.values);
        return new Keys(more);
    }

    boolean has(String key) {
        return values.containsKey(key);
    }

    Config config() {
        Config config = ConfigFactory.empty();
        for (Map.Entry<String, Object> entry : values.entrySet()) {
            config = config.withValue(
                    entry.getKey(),
                    entry.getValue() instanceof Config section
                            ? section.root()
                            : ConfigValueFactory.fromAnyRef(entry.getValue()));
        }
        return config;
    }
}

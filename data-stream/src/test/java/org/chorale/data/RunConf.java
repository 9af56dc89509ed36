// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import org.chorale.proto.config.ConfigReader;

/** A run's configuration as it travels: the defaults, with lines over them. */
final class RunConf {
    private RunConf() {}

    static String of(String... lines) {
        return ConfigFactory.parseString(String.join("\n", lines))
                .withFallback(ConfigReader.defaults())
                .resolve()
                .root()
                .render(ConfigRenderOptions.concise());
    }
}

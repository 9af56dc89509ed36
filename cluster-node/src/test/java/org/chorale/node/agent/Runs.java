// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.agent;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import java.nio.file.Path;
import java.util.Objects;
import org.chorale.proto.config.ConfigReader;

/** Configurations of runs, as a client resolves them. */
final class Runs {
    private static final Path MODEL = Path.of(
            Objects.requireNonNull(System.getProperty("chorale.root"), "surefire sets chorale.root"),
            "deploy/recipes/quickstart/model");

    private Runs() {}

    /** @param line what is unusual in it */
    static String conf(String line) {
        return ConfigFactory.parseString(line)
                .withFallback(
                        ConfigFactory.parseString("model { path = \"%s\", initialize = random }".formatted(MODEL)))
                .withFallback(ConfigFactory.parseString("data.generate.task = reverse-words, run.dir = /nowhere"))
                .withFallback(ConfigReader.defaults())
                .root()
                .render(ConfigRenderOptions.concise());
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.Map;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultException;
import org.chorale.training.pipeline.LocalComponents;

/** The configuration of a command that has options instead of a RUN.conf: each stands for a key. */
public final class OptionKeys {
    private static final String ORIGIN = "the command's options";

    private OptionKeys() {}

    /**
     * Completes keys by the defaults, and checks them all.
     *
     * @param values by key, paths absolute
     * @return the configuration as resolved, in HOCON
     * @throws FaultException CONFIG_INVALID, with a line per problem
     */
    public static String resolve(Map<String, Object> values) {
        Config complete = ConfigFactory.parseMap(values, ORIGIN).withFallback(ConfigReader.defaults());
        ConfigReader reader = new ConfigReader(complete);
        RunConfiguration.check(reader, LocalComponents.none());
        RunFile.refuse(reader.problems());
        return complete.root().render(RunFile.PLAIN);
    }
}

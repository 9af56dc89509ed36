// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigSyntax;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import com.typesafe.config.ConfigValueType;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What {@code key=value} arguments set. A value that is written as a number, {@code true}, {@code false} or
 * {@code null} is one, and so is a list in brackets, whose texts need no quotes; anything else is a text as it stands,
 * so that no path needs quotes beyond the shell's.
 *
 * @param problems arguments that are no assignments, a line each
 */
record CommandLineKeys(Config config, List<String> problems) {
    static final String ORIGIN = "command line";

    private static final Set<ConfigValueType> LITERALS =
            EnumSet.of(ConfigValueType.NUMBER, ConfigValueType.BOOLEAN, ConfigValueType.NULL, ConfigValueType.LIST);

    static CommandLineKeys parse(List<String> assignments) {
        Config config = ConfigFactory.empty();
        List<String> problems = new ArrayList<>();
        for (String assignment : assignments) {
            int equals = assignment.indexOf('=');
            try {
                if (equals < 1) {
                    throw new ConfigException.BadPath(assignment, "no key");
                }
                String key = assignment.substring(0, equals);
                config = config.withValue(key, value(assignment.substring(equals + 1)));
            } catch (ConfigException.BadPath e) {
                problems.add(assignment + ": must be key=value, such as run.steps=100");
            }
        }
        return new CommandLineKeys(config, List.copyOf(problems));
    }

    private static ConfigValue value(String text) {
        return literal(text).orElseGet(() -> ConfigValueFactory.fromAnyRef(text, ORIGIN));
    }

    /** JSON has the same literals as HOCON, and refuses everything that only looks like one. */
    private static Optional<ConfigValue> literal(String text) {
        boolean isList = text.startsWith("[") && text.endsWith("]");
        ConfigParseOptions json = ConfigParseOptions.defaults()
                .setSyntax(isList ? ConfigSyntax.CONF : ConfigSyntax.JSON)
                .setOriginDescription(ORIGIN);
        try {
            return Optional.ofNullable(ConfigFactory.parseString("{\"value\": " + text + "\n}", json)
                            .root()
                            .get("value"))
                    .filter(value -> LITERALS.contains(value.valueType()));
        } catch (ConfigException e) {
            return Optional.empty();
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.document;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** deploy/reference/keys.md: every key of a run, as chorale-defaults.conf has it. */
final class KeysDocument {
    private static final String HEAD = """
            # The keys of a run

            Made from `proto/src/main/resources/chorale-defaults.conf`; change it there. A run's file and `key=value` on the
            command line set any of them. A key whose default is `null` has none.

            | key | default | meaning |
            | --- | --- | --- |
            """;

    private KeysDocument() {}

    static String of(Config defaults) {
        List<String> rows = new ArrayList<>();
        addRows(rows, "", defaults.root());
        return HEAD + String.join("\n", rows) + "\n";
    }

    /** In the order of the file. */
    private static void addRows(List<String> rows, String path, ConfigObject section) {
        section.entrySet().stream()
                .sorted(Comparator.comparingInt(
                        entry -> entry.getValue().origin().lineNumber()))
                .forEach(entry -> addRow(rows, path, entry));
    }

    private static void addRow(List<String> rows, String path, Map.Entry<String, ConfigValue> entry) {
        String key = path.isEmpty() ? entry.getKey() : path + "." + entry.getKey();
        ConfigValue value = entry.getValue();
        if (value instanceof ConfigObject section && !section.isEmpty()) {
            addRows(rows, key, section);
        } else {
            rows.add("| `%s` | `%s` | %s |".formatted(key, plain(value), meaning(key, value)));
        }
    }

    private static String plain(ConfigValue value) {
        return value.render(ConfigRenderOptions.concise()).replace("\"", "");
    }

    private static String meaning(String key, ConfigValue value) {
        String meaning = value.origin().comments().stream().map(String::strip).collect(Collectors.joining(" "));
        if (meaning.isEmpty()) {
            throw new IllegalStateException(key + " has no comment in chorale-defaults.conf that says what it means");
        }
        return meaning.replace("|", "\\|");
    }
}

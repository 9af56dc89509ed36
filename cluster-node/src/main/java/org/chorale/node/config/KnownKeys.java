// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.chorale.model.outline.NearestName;
import org.jspecify.annotations.Nullable;

/** The keys that there are. Whatever else a configuration says is a mistake, and most mistakes are typing errors. */
final class KnownKeys {
    private final ConfigObject defaults;
    private final List<String> keys;

    /**
     * What a configuration says, and what is wrong with its keys.
     *
     * @param usable the configuration without those keys, so that each is complained about once
     * @param problems a line each
     */
    record Checked(Config usable, List<String> problems) {}

    private record Misplaced(String path, String problem) {}

    KnownKeys(Config defaults) {
        this.defaults = defaults.root();
        this.keys = List.copyOf(paths(defaults.root(), ""));
    }

    Checked check(Config config) {
        List<Misplaced> misplaced = new ArrayList<>();
        collect("", config.root(), defaults, misplaced);
        Config usable = config;
        for (Misplaced key : misplaced) {
            usable = usable.withoutPath(key.path());
        }
        return new Checked(
                usable,
                misplaced.stream()
                        .map(Misplaced::problem)
                        .flatMap(String::lines)
                        .toList());
    }

    /** The key with the least edits between; of several the first in the alphabet. */
    String nearest(String path) {
        return NearestName.to(path, keys);
    }

    private void collect(String path, ConfigObject said, ConfigObject known, List<Misplaced> misplaced) {
        for (Map.Entry<String, ConfigValue> entry : said.entrySet()) {
            String key = join(path, entry.getKey());
            ConfigValue value = entry.getValue();
            ConfigValue place = known.get(entry.getKey());
            if (value instanceof ConfigObject section && place instanceof ConfigObject knownSection) {
                if (knownSection.isEmpty()) {
                    continue; // whoever reads the section knows its keys
                }
                collect(key, section, knownSection, misplaced);
            } else {
                problem(key, value, place).ifPresent(problem -> misplaced.add(new Misplaced(key, problem)));
            }
        }
    }

    private Optional<String> problem(String key, ConfigValue value, @Nullable ConfigValue place) {
        if (place == null) {
            return Optional.of(unknown(key, value));
        }
        if (place instanceof ConfigObject) {
            return Optional.of("%s = %s%s: is a section, set one of its keys, such as %s"
                    .formatted(key, value.unwrapped(), where(value), firstBelow(key)));
        }
        if (value instanceof ConfigObject section) {
            return Optional.of("%s%s: there is nothing below the key %s, which takes a value itself"
                    .formatted(join(key, firstName(section)), where(value), key));
        }
        return Optional.empty();
    }

    /** A line for each key below; a mistyped section is most often one with the right keys in it. */
    private String unknown(String key, ConfigValue value) {
        if (!(value instanceof ConfigObject section) || section.isEmpty()) {
            return "%s%s: there is no such key, the nearest is %s".formatted(key, where(value), nearest(key));
        }
        List<String> lines = new ArrayList<>();
        section.forEach((name, below) -> lines.add(unknown(join(key, name), below)));
        return String.join("\n", lines);
    }

    private String firstBelow(String section) {
        return keys.stream()
                .filter(key -> key.startsWith(section + "."))
                .findFirst()
                .orElseThrow();
    }

    private static String firstName(ConfigObject section) {
        return section.keySet().stream().sorted().findFirst().orElse("…");
    }

    private static String where(ConfigValue value) {
        String file = value.origin().filename();
        if (file == null) {
            return "";
        }
        String name = Path.of(file).getFileName().toString();
        return value.origin().lineNumber() > 0
                ? " (%s:%d)".formatted(name, value.origin().lineNumber())
                : " (" + name + ")";
    }

    private static Set<String> paths(ConfigObject section, String path) {
        Set<String> paths = new TreeSet<>();
        section.forEach((name, value) -> {
            if (value instanceof ConfigObject below && !below.isEmpty()) {
                paths.addAll(paths(below, join(path, name)));
            } else {
                paths.add(join(path, name));
            }
        });
        return paths;
    }

    private static String join(String path, String name) {
        String quoted = ConfigUtil.joinPath(name);
        return path.isEmpty() ? quoted : path + "." + quoted;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueFactory;
import com.typesafe.config.ConfigValueType;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Makes every path absolute: one in a file is relative to that file's folder, one on the command line to the current
 * folder. So a configuration means the same wherever it travels.
 */
final class Locations {
    static final String RUN_DIR = "run.dir";

    private static final List<String> PATH_KEYS = List.of(
            "model.path",
            "model.adapter.path",
            "data.train.path",
            "data.eval.path",
            "data.tokenizer.path",
            "data.chat.template",
            "loss.preference.precomputed",
            RUN_DIR);
    /** Lists of objects that each have a path. */
    static final List<String> SOURCE_KEYS = List.of("data.train.sources", "data.eval.sources");

    private static final String PATH = "path";
    private static final String RUNS = "runs";

    private final Path file;
    private final Path currentFolder;

    Locations(Path file, Path currentFolder) {
        this.file = file.toAbsolutePath();
        this.currentFolder = currentFolder.toAbsolutePath();
    }

    /** A blank text would be the current folder, which nobody means. */
    List<String> problems(Config config, Optional<Path> runDir) {
        List<String> problems = new ArrayList<>();
        if (runDir.filter(dir -> dir.toString().isBlank()).isPresent()) {
            problems.add("--run-dir is empty: give a path");
        }
        PATH_KEYS.stream()
                .filter(key -> config.hasPath(key) && isBlank(config.getValue(key)))
                .forEach(key -> problems.add(key + " is empty: give a path, or null"));
        return problems;
    }

    private static boolean isBlank(ConfigValue value) {
        return value.valueType() == ConfigValueType.STRING && text(value).isBlank();
    }

    Config absolute(Config config, Optional<Path> runDir) {
        Config located = config;
        for (String key : PATH_KEYS) {
            if (config.hasPath(key)) {
                located = located.withValue(key, absolute(config.getValue(key)));
            }
        }
        for (String key : SOURCE_KEYS) {
            if (config.hasPath(key) && config.getValue(key) instanceof ConfigList sources) {
                located = located.withValue(
                        key,
                        ConfigValueFactory.fromIterable(
                                sources.stream().map(this::located).toList()));
            }
        }
        boolean named = config.hasPath(RUN_DIR);
        if (runDir.isPresent() || !named) {
            Path dir = runDir.orElseGet(() -> Path.of(RUNS, RunFile.runName(file)));
            located = located.withValue(RUN_DIR, text(currentFolder.resolve(dir)));
        }
        return located;
    }

    private ConfigValue located(ConfigValue source) {
        return source instanceof ConfigObject object && object.toConfig().hasPath(PATH)
                ? object.withValue(PATH, absolute(object.toConfig().getValue(PATH)))
                : source;
    }

    /** What is no path stays as it is; the record that reads it says so. */
    private ConfigValue absolute(ConfigValue value) {
        boolean scalar = value.valueType() == ConfigValueType.STRING || value.valueType() == ConfigValueType.NUMBER;
        String written = scalar ? text(value) : "";
        if (written.isBlank()) {
            return value;
        }
        try {
            return text(base(value.origin()).resolve(written));
        } catch (InvalidPathException e) {
            return value;
        }
    }

    private Path base(ConfigOrigin origin) {
        if (origin.description().startsWith(CommandLineKeys.ORIGIN)) {
            return currentFolder;
        }
        Path from =
                origin.filename() == null ? file : Path.of(origin.filename()).toAbsolutePath();
        return Optional.ofNullable(from.getParent()).orElse(currentFolder);
    }

    /** As it was written: a folder may be called 007. */
    private static String text(ConfigValue scalar) {
        return scalar.atKey(PATH).getString(PATH);
    }

    private static ConfigValue text(Path path) {
        return ConfigValueFactory.fromAnyRef(path.normalize().toString());
    }
}

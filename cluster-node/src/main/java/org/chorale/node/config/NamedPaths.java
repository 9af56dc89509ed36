// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.chorale.data.source.SourceConfig;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * The files and folders that a configuration names, looked for before a run begins on this machine: otherwise feeder and
 * worker would both stumble over one that is missing, and whoever came first would tell.
 */
public final class NamedPaths {
    private static final Map<String, String> WHAT_THEY_ARE = new TreeMap<>(Map.of(
            "model.path", "a folder with config.json",
            "model.adapter.path", "a PEFT folder with adapter_config.json",
            "data.train.path", SourceConfig.KINDS,
            "data.eval.path", SourceConfig.KINDS,
            "data.chat.template", "a Jinja file",
            "data.tokenizer.path", "a folder with tokenizer.json, or the file itself"));

    /** What another command makes of the rest. */
    private static final Map<String, String> MADE_BEFORE =
            Map.of("loss.preference.precomputed", "a file that chorale precompute RUN.conf has written");

    private NamedPaths() {}

    /** @throws FaultException FILE_MISSING, with a line per path */
    public static void refuseMissing(RunConf conf) {
        Map<String, String> all = new TreeMap<>(WHAT_THEY_ARE);
        all.putAll(MADE_BEFORE);
        refuseMissing(conf, all);
    }

    /** Likewise for a command that makes what is made before a run. */
    public static void refuseMissingInput(RunConf conf) {
        refuseMissing(conf, WHAT_THEY_ARE);
    }

    private static void refuseMissing(RunConf conf, Map<String, String> whatTheyAre) {
        Config config = ConfigFactory.parseString(conf.text());
        Stream<String> single = whatTheyAre.entrySet().stream()
                .filter(key -> config.hasPath(key.getKey()))
                .flatMap(key -> problem(key.getKey(), config.getString(key.getKey()), key.getValue()));
        Stream<String> listed = Locations.SOURCE_KEYS.stream().flatMap(key -> problems(key, config.getConfigList(key)));
        List<String> missing = Stream.concat(single, listed).toList();
        if (!missing.isEmpty()) {
            throw new FaultException(FaultCode.FILE_MISSING, String.join("\n", missing));
        }
    }

    private static Stream<String> problems(String key, List<? extends Config> sources) {
        return IntStream.range(0, sources.size())
                .boxed()
                .flatMap(i ->
                        problem("%s[%d].path".formatted(key, i), sources.get(i).getString("path"), SourceConfig.KINDS));
    }

    /** What a glob stands for is looked for where the data is opened. */
    private static Stream<String> problem(String key, String path, String right) {
        boolean glob = right.equals(SourceConfig.KINDS) && SourceConfig.isGlob(Path.of(path));
        return glob || Files.isReadable(Path.of(path))
                ? Stream.empty()
                : Stream.of("%s = %s: does not exist or cannot be read; must be %s".formatted(key, path, right));
    }
}

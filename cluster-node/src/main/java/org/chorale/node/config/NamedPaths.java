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
            "data.train.path", "a .jsonl file or a folder of text files",
            "data.eval.path", "a .jsonl file or a folder of text files",
            "data.chat.template", "a Jinja file",
            "data.tokenizer.path", "a folder with tokenizer.json, or the file itself"));

    private NamedPaths() {}

    /** @throws FaultException FILE_MISSING, with a line per path */
    public static void refuseMissing(RunConf conf) {
        Config config = ConfigFactory.parseString(conf.text());
        List<String> missing = WHAT_THEY_ARE.entrySet().stream()
                .filter(key -> config.hasPath(key.getKey()))
                .filter(key -> !Files.isReadable(Path.of(config.getString(key.getKey()))))
                .map(key -> "%s = %s: does not exist or cannot be read; must be %s"
                        .formatted(key.getKey(), config.getString(key.getKey()), key.getValue()))
                .toList();
        if (!missing.isEmpty()) {
            throw new FaultException(FaultCode.FILE_MISSING, String.join("\n", missing));
        }
    }
}

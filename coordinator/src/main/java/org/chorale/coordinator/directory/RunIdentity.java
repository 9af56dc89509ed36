// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import com.typesafe.config.Config;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/**
 * What makes two configurations the same run: every key but those that do not change what is computed. A key that
 * only a newer release knows has its default in the older configuration; a value below {@code run.dir} moves with it.
 */
final class RunIdentity {
    /**
     * Keys that may differ from one start of a run to the next. Recompute, and how the work is cut over workers, may change
     * the last bits of a gradient, but whoever ran out of memory or lost machines must be able to go on; they change no
     * sample and no formula.
     */
    private static final Set<String> FREE = Set.of(
            "run.dir",
            "run.progress-timeout",
            "run.profile-steps",
            "checkpoint.every",
            "checkpoint.keep",
            "data.prefetch-batches",
            "metrics.samples",
            "parallel.workers",
            "parallel.isolation",
            "parallel.memory-fraction",
            "parallel.mode",
            "parallel.shard-size",
            "parallel.reduce",
            "parallel.feeders",
            "parallel.recoveries",
            "model.recompute");

    private static final String UNSET = "nothing";

    private RunIdentity() {}

    /**
     * A line per key that differs: {@code key: there X, asked for Y}.
     *
     * @param file where {@code there} was read, for messages
     */
    static List<String> differences(Path file, String there, String asked) {
        Map<String, String> before = values(file.toString(), there);
        Map<String, String> now = values("the configuration", asked);
        Set<String> keys = new TreeSet<>(before.keySet());
        keys.addAll(now.keySet());
        return keys.stream()
                .filter(key -> !Objects.equals(before.get(key), now.get(key)))
                .map(key -> "%s: there %s, asked for %s"
                        .formatted(key, before.getOrDefault(key, UNSET), now.getOrDefault(key, UNSET)))
                .toList();
    }

    private static Map<String, String> values(String source, String text) {
        Config config = parse(source, text).withFallback(ConfigReader.defaults());
        String dir = config.hasPath("run.dir") ? config.getString("run.dir") + "/" : "";
        Map<String, String> values = new TreeMap<>();
        entries(config).forEach(entry -> {
            String value = String.valueOf(entry.getValue());
            boolean inside = !dir.isEmpty() && value.startsWith(dir);
            values.put(entry.getKey(), inside ? "<run.dir>/" + value.substring(dir.length()) : value);
        });
        return values;
    }

    /** Keys with their values; 16 and 16.0 are the same number. Keys that are null are left out. */
    private static Stream<Map.Entry<String, Object>> entries(Config config) {
        return config.entrySet().stream()
                .filter(entry -> !FREE.contains(entry.getKey()))
                .map(entry -> Map.entry(entry.getKey(), plain(entry.getValue().unwrapped())));
    }

    private static Object plain(Object value) {
        return value instanceof Double number && number == Math.rint(number) && Math.abs(number) < 1e15
                ? (Object) number.longValue()
                : value;
    }

    /** @throws FaultException FILE_MALFORMED, naming source and line */
    static Config parse(String source, String text) {
        try {
            return ConfigReader.parse(source, text);
        } catch (FaultException e) {
            throw new FaultException(FaultCode.FILE_MALFORMED, e.fault().message(), e);
        }
    }
}

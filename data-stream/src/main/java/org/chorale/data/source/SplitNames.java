// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import com.google.re2j.Matcher;
import com.google.re2j.Pattern;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;

/** Which split a file is of, by the names that Hugging Face's datasets gives to files. */
final class SplitNames {
    /** {@code train-00000-of-00004.parquet}, in {@code data} or elsewhere. */
    private static final Pattern SHARD = Pattern.compile("(?:.*/)?([^/]+)-[0-9]{5}-of-[0-9]{5}[^/]*");

    /** What {@code save_to_disk} names the shards of every split, each in a folder of its own. */
    private static final String SAVED = "data";

    /** Words of names, whole or between marks, and the splits that they stand for. */
    private static final Map<String, Pattern> WORDS = words();

    private static final String TRAIN = "train";

    private SplitNames() {}

    /** Splits by name: by the names of shards, or by words in names; where neither says anything, all is for training. */
    static Map<String, List<SourceFile>> splits(List<SourceFile> files) {
        for (Function<String, Optional<String>> rule :
                List.<Function<String, Optional<String>>>of(SplitNames::ofShard, SplitNames::ofWord)) {
            Map<String, List<SourceFile>> splits = new TreeMap<>();
            files.forEach(file ->
                    rule.apply(file.name()).ifPresent(split -> splits.merge(split, List.of(file), SplitNames::joined)));
            if (!splits.isEmpty()) {
                return splits;
            }
        }
        return Map.of(TRAIN, files);
    }

    private static List<SourceFile> joined(List<SourceFile> some, List<SourceFile> more) {
        return Stream.concat(some.stream(), more.stream()).toList();
    }

    private static Optional<String> ofShard(String name) {
        Matcher shard = SHARD.matcher(name);
        if (!shard.matches()) {
            return Optional.empty();
        } else if (!shard.group(1).equals(SAVED)) {
            return Optional.of(shard.group(1));
        }
        Path folder = Path.of(name).getParent();
        return Optional.of(folder == null ? TRAIN : String.valueOf(folder.getFileName()));
    }

    private static Optional<String> ofWord(String name) {
        return WORDS.entrySet().stream()
                .filter(word -> word.getValue().matcher(name).find())
                .map(Map.Entry::getKey)
                .findFirst();
    }

    private static Map<String, Pattern> words() {
        Map<String, Pattern> words = new LinkedHashMap<>();
        words.put(TRAIN, word("train|training"));
        words.put("validation", word("validation|valid|val|dev"));
        words.put("test", word("test|testing|eval|evaluation"));
        return words;
    }

    private static Pattern word(String alternatives) {
        return Pattern.compile("(?:^|[-._ 0-9/])(?:%s)(?:[-._ 0-9/]|$)".formatted(alternatives));
    }
}

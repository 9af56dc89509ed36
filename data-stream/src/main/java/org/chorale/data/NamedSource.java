// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.chorale.data.source.SourceConfig;

/**
 * A source with the names that it has in a run.
 *
 * @param key where in the configuration it stands
 * @param pathKey the key of its path
 * @param name of the files that are made of it
 */
public record NamedSource(String key, String pathKey, String name, SourceEntry entry) {
    static final String TRAIN = "train";
    static final String EVAL = "eval";

    /** The only source of a section, a path without more. */
    static NamedSource of(String section, Path path, SourceConfig reading) {
        String key = "data." + section;
        return new NamedSource(key, key + ".path", section, SourceEntry.of(path, reading));
    }

    /** The sources of a section, in order. */
    static List<NamedSource> of(String section, SourceConfig reading, List<SourceEntry> sources) {
        return reading.path()
                .map(only -> List.of(of(section, only, reading)))
                .orElseGet(() -> IntStream.range(0, sources.size())
                        .mapToObj(i -> of(section, i, sources.get(i)))
                        .toList());
    }

    private static NamedSource of(String section, int index, SourceEntry entry) {
        String key = "data.%s.sources[%d]".formatted(section, index);
        return new NamedSource(key, key + ".path", index == 0 ? section : section + "-" + index, entry);
    }

    /** The rows of it that are held out, whose files are others. */
    NamedSource heldOut() {
        return new NamedSource(key, pathKey, "held-out-of-" + name, entry);
    }

    /** Whether the same rows of the same file become the same examples. */
    boolean readsTheSame(NamedSource other) {
        return entry.path().equals(other.entry().path())
                && entry.reading().equals(other.entry().reading())
                && entry.steps().equals(other.entry().steps());
    }
}

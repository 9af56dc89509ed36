// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.batch;

import java.util.List;
import java.util.stream.IntStream;

/**
 * What of a step is of one training source.
 *
 * @param examples as often as they come
 * @param tokens of them, without padding
 */
public record SourceCount(long examples, long tokens) {
    /** Of parts of a step, source by source; none where no part has any. */
    public static List<SourceCount> sum(List<List<SourceCount>> parts) {
        int sources = parts.stream().mapToInt(List::size).max().orElse(0);
        return IntStream.range(0, sources)
                .mapToObj(source -> new SourceCount(
                        parts.stream()
                                .mapToLong(part -> part.get(source).examples)
                                .sum(),
                        parts.stream()
                                .mapToLong(part -> part.get(source).tokens)
                                .sum()))
                .toList();
    }
}

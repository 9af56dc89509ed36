// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.util.List;
import java.util.function.LongToIntFunction;
import java.util.stream.IntStream;
import org.chorale.data.example.TokenizedExample;
import org.chorale.proto.batch.SourceCount;

/** Counts what of a micro-batch is of which source. */
final class SourceTally {
    /**
     * Sources whose examples are numbered through.
     *
     * @param count 0 where they are not told apart
     * @param source the number of the one that an example is of
     */
    record Sources(int count, LongToIntFunction source) {
        static final Sources UNCOUNTED = new Sources(0, example -> 0);
    }

    private final Sources sources;
    private final long[] examples; // of each source
    private final long[] tokens;

    SourceTally(Sources sources) {
        this.sources = sources;
        this.examples = new long[sources.count()];
        this.tokens = new long[sources.count()];
    }

    /** Returns the example, with all of its sequences counted. */
    TokenizedExample counted(long number, TokenizedExample example) {
        if (sources.count() > 0) {
            int source = sources.source().applyAsInt(number);
            examples[source]++;
            tokens[source] += example.sequences().stream()
                    .mapToLong(sequence -> sequence.tokens().length)
                    .sum();
        }
        return example;
    }

    List<SourceCount> counts() {
        return IntStream.range(0, sources.count())
                .mapToObj(source -> new SourceCount(examples[source], tokens[source]))
                .toList();
    }
}

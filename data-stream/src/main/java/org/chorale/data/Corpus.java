// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.chorale.data.example.TokenizedExample;
import org.chorale.data.measure.Examples;
import org.chorale.data.measure.Totals;
import org.chorale.data.source.RowPlace;

/** The examples of several sources, numbered through in the order of the sources. Safe to use from many threads. */
final class Corpus implements AutoCloseable {
    /**
     * A source's part.
     *
     * @param first the number of its first example
     */
    record Part(NamedSource source, Examples examples, long first) {
        /** Rows that cannot be used and were left out. */
        long rowsSkipped() {
            return examples.source().skipped().plus(examples.skipped()).count();
        }
    }

    private final List<Part> parts;
    private final long[] firsts; // of each part, and at the end of all

    private Corpus(List<Part> parts, long count) {
        this.parts = List.copyOf(parts);
        this.firsts = new long[parts.size() + 1];
        Arrays.setAll(firsts, i -> i == parts.size() ? count : parts.get(i).first());
    }

    /** The examples of each source, by number in the same order. */
    static Corpus of(List<NamedSource> sources, List<Examples> examples) {
        List<Part> parts = new ArrayList<>();
        long first = 0;
        for (int i = 0; i < sources.size(); i++) {
            parts.add(new Part(sources.get(i), examples.get(i), first));
            first = Math.addExact(first, examples.get(i).count());
        }
        return new Corpus(parts, first);
    }

    List<Part> parts() {
        return parts;
    }

    /** How many examples there are. */
    long count() {
        return firsts[parts.size()];
    }

    /** How many examples each source has. */
    long[] counts() {
        return parts.stream().mapToLong(part -> part.examples().count()).toArray();
    }

    /** What all rows amount to; empty unless those of every source were measured. */
    Optional<Totals> totals() {
        Totals sum = Totals.NONE;
        for (Part part : parts) {
            Optional<Totals> totals = part.examples().totals();
            if (totals.isEmpty()) {
                return Optional.empty();
            }
            sum = sum.plus(totals.get());
        }
        return Optional.of(sum);
    }

    /** Rows that cannot be used and were left out. */
    long rowsSkipped() {
        return parts.stream().mapToLong(Part::rowsSkipped).sum();
    }

    /** Reads and tokenizes an example. */
    TokenizedExample read(long example) {
        Part part = part(example);
        return part.examples().read(example - part.first());
    }

    /** Tokens of an example, where its source was measured. */
    int tokens(long example) {
        Part part = part(example);
        return part.examples().tokens(example - part.first());
    }

    /** Where the row of an example begins; reads its file up to there. */
    RowPlace place(long example) {
        Part part = part(example);
        return part.examples().source().place(part.examples().row(example - part.first()));
    }

    /** Whose its examples are; not told apart where there is only one. */
    SourceTally.Sources sources() {
        return parts.size() > 1 ? new SourceTally.Sources(parts.size(), this::source) : SourceTally.Sources.UNCOUNTED;
    }

    /** The part that has an example. */
    Part part(long example) {
        return parts.get(source(example));
    }

    /** Its number. A source without examples shares its first number with the next. */
    private int source(long example) {
        if (example < 0 || example >= count()) {
            throw new IllegalArgumentException("example %d is not in [0, %d)".formatted(example, count()));
        }
        int low = 0;
        int high = parts.size(); // firsts[low] <= example < firsts[high]
        while (high - low > 1) {
            int middle = (low + high) >>> 1;
            if (firsts[middle] <= example) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    @Override
    public void close() throws IOException {
        for (Part part : parts) {
            part.examples().close();
        }
    }
}

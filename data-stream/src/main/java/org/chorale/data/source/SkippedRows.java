// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Rows that were left out because they cannot be used, counted by kind of reason. However many different things are wrong
 * with the rows, the kinds are few; and a few rows say what is wrong, thousands say no more.
 *
 * @param byReason counts, in the order in which the kinds were met
 * @param first the first ones, each with its place, what is wrong with it and what would be right
 */
public record SkippedRows(Map<String, Long> byReason, List<String> first) {
    /** How many are told with their places. */
    public static final int MAX_TOLD = 5;

    /** None. */
    public static final SkippedRows NONE = new SkippedRows(Map.of(), List.of());

    private static final int MAX_KINDS = 20;
    private static final int MAX_KIND_CHARS = 160;

    /** Of a row's message, in which its values may stand; so many take no more bytes than a text in a file can have. */
    private static final int MAX_MESSAGE_CHARS = 4000;

    private static final String OTHERS = "(other reasons)";

    public SkippedRows {
        byReason = Collections.unmodifiableMap(new LinkedHashMap<>(byReason));
        first = first.stream()
                .limit(MAX_TOLD)
                .map(message -> start(message, MAX_MESSAGE_CHARS))
                .toList();
    }

    /** How many there are. */
    public long count() {
        return byReason.values().stream().mapToLong(Long::longValue).sum();
    }

    /** With others. */
    public SkippedRows plus(SkippedRows more) {
        Map<String, Long> sum = new LinkedHashMap<>(byReason);
        more.byReason.forEach((reason, count) -> sum.merge(kind(reason, sum.keySet()), count, Long::sum));
        return new SkippedRows(
                sum, Stream.concat(first.stream(), more.first.stream()).toList());
    }

    /** What a problem is counted as: its text without numbers, unless there are too many kinds already. */
    static String kind(String problem, Set<String> known) {
        String kind =
                start(problem, MAX_KIND_CHARS).lines().findFirst().orElse("").replaceAll("\\d+", "N");
        return known.contains(kind) || known.size() < MAX_KINDS ? kind : OTHERS;
    }

    /** No half of a character is left at the end. */
    private static String start(String text, int characters) {
        return text.substring(
                0, text.offsetByCodePoints(0, Math.min(characters, text.codePointCount(0, text.length()))));
    }

    /** Writes what {@link #read} reads. */
    public void write(DataOutput out) throws IOException {
        out.writeInt(byReason.size());
        for (Map.Entry<String, Long> reason : byReason.entrySet()) {
            out.writeUTF(reason.getKey());
            out.writeLong(reason.getValue());
        }
        out.writeInt(first.size());
        for (String message : first) {
            out.writeUTF(message);
        }
    }

    /** @throws IOException also where the counts are not those that were written */
    public static SkippedRows read(DataInput in) throws IOException {
        int kinds = in.readInt();
        if (kinds < 0 || kinds > MAX_KINDS + 1) {
            throw new IOException(kinds + " kinds of skipped rows: must be at most " + (MAX_KINDS + 1));
        }
        Map<String, Long> byReason = new LinkedHashMap<>();
        for (int i = 0; i < kinds; i++) {
            byReason.put(in.readUTF(), in.readLong());
        }
        int told = in.readInt();
        if (told < 0 || told > MAX_TOLD) {
            throw new IOException(told + " skipped rows with their places: must be at most " + MAX_TOLD);
        }
        List<String> first = new ArrayList<>();
        for (int i = 0; i < told; i++) {
            first.add(in.readUTF());
        }
        return new SkippedRows(byReason, first);
    }
}

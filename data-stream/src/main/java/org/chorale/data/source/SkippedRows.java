// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Rows that were left out because they cannot be used, counted by kind of reason. However many different things are wrong
 * with the rows, the kinds are few.
 *
 * @param byReason counts, in the order in which the kinds were met
 */
public record SkippedRows(Map<String, Long> byReason) {
    /** None. */
    public static final SkippedRows NONE = new SkippedRows(Map.of());

    private static final int MAX_KINDS = 20;
    private static final int MAX_CHARS = 160;
    private static final String OTHERS = "(other reasons)";

    public SkippedRows {
        byReason = Collections.unmodifiableMap(new LinkedHashMap<>(byReason));
    }

    /** How many there are. */
    public long count() {
        return byReason.values().stream().mapToLong(Long::longValue).sum();
    }

    /** With others. */
    public SkippedRows plus(SkippedRows more) {
        Map<String, Long> sum = new LinkedHashMap<>(byReason);
        more.byReason.forEach((reason, count) -> sum.merge(kind(reason, sum.keySet()), count, Long::sum));
        return new SkippedRows(sum);
    }

    /** What a problem is counted as: its text without numbers, unless there are too many kinds already. */
    static String kind(String problem, Set<String> known) {
        String start = problem.substring(
                0, problem.offsetByCodePoints(0, Math.min(MAX_CHARS, problem.codePointCount(0, problem.length()))));
        String kind = start.lines().findFirst().orElse("").replaceAll("\\d+", "N");
        return known.contains(kind) || known.size() < MAX_KINDS ? kind : OTHERS;
    }

    /** Writes what {@link #read} reads. */
    public void write(DataOutput out) throws IOException {
        out.writeInt(byReason.size());
        for (Map.Entry<String, Long> reason : byReason.entrySet()) {
            out.writeUTF(reason.getKey());
            out.writeLong(reason.getValue());
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
        return new SkippedRows(byReason);
    }
}

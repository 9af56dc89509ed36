// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Carries out {@code data.malformed-rows}: ends the run at the first row that cannot be used, or counts such rows. */
public final class Rejections {
    private static final Logger log = LoggerFactory.getLogger(Rejections.class);

    private final MalformedRows policy;
    private final List<String> reported = new ArrayList<>();
    private final Map<String, Long> byReason = new LinkedHashMap<>();
    private long count;

    public Rejections(MalformedRows policy) {
        this.policy = policy;
    }

    /**
     * Notes a row that cannot be used.
     *
     * @throws FaultException DATA_MALFORMED where the run shall end
     */
    public void reject(RowPlace place, String problem) {
        String message = "%s: %s".formatted(place, problem);
        if (policy == MalformedRows.FAIL) {
            throw new FaultException(FaultCode.DATA_MALFORMED, message);
        }
        count++;
        byReason.merge(SkippedRows.kind(problem, byReason.keySet()), 1L, Long::sum);
        if (reported.size() < SkippedRows.MAX_TOLD) {
            reported.add(message);
        }
    }

    /** Whether the next one is told with its place, which may take long to find. */
    public boolean wantsPlace() {
        return policy == MalformedRows.FAIL || reported.size() < SkippedRows.MAX_TOLD;
    }

    /** How many there were. */
    public long count() {
        return count;
    }

    /** What there was, by reason, and the first of them. */
    public SkippedRows skipped() {
        return new SkippedRows(byReason, reported);
    }

    /** The first of them, for the end of a message; empty where there was none. */
    public String first() {
        return reported.isEmpty() ? "" : "; the first is " + reported.get(0);
    }

    /** Says what was left out, once the source is read. */
    public void report(Object path) {
        if (count > 0) {
            log.warn("{}: {} malformed rows are left out, among them:\n{}", path, count, String.join("\n", reported));
        }
    }
}

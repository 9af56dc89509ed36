// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.chorale.proto.wire.StepReport;

/**
 * The steps of a span that some ranks have reported and others have not: reports of different ranks travel
 * independently, so that one rank's may be several steps ahead of another's. A step counts once all have reported it.
 *
 * @param from step before which all is recorded
 * @param byRank each rank's reports of the steps after {@code from}, in order
 */
record StepReports(long from, List<List<StepReport>> byRank) {
    StepReports {
        byRank = List.copyOf(byRank);
    }

    static StepReports none(long from, int ranks) {
        return new StepReports(
                from,
                IntStream.range(0, ranks)
                        .mapToObj(rank -> List.<StepReport>of())
                        .toList());
    }

    /** The last step that this rank has reported. */
    long last(int rank) {
        return from + byRank.get(rank).size();
    }

    /** With the report of the step after the rank's last. */
    StepReports with(int rank, StepReport report) {
        List<List<StepReport>> more = new ArrayList<>(byRank);
        List<StepReport> own = new ArrayList<>(byRank.get(rank));
        own.add(report);
        more.set(rank, List.copyOf(own));
        return new StepReports(from, more);
    }

    /** The reports of the next step, where all ranks have sent theirs. */
    Optional<List<StepReport>> next() {
        return byRank.stream().anyMatch(List::isEmpty)
                ? Optional.empty()
                : Optional.of(byRank.stream().map(own -> own.get(0)).toList());
    }

    /** Without the reports of the next step, which is recorded. */
    StepReports advanced() {
        return new StepReports(
                from + 1,
                byRank.stream()
                        .map(own -> own.subList(1, own.size()))
                        .map(List::copyOf)
                        .toList());
    }

    /** Ranks whose report of the next step is missing. */
    List<Integer> missing() {
        return IntStream.range(0, byRank.size())
                .filter(rank -> byRank.get(rank).isEmpty())
                .boxed()
                .toList();
    }

    /** One report of a step: the ranks' samples one after the other, their tokens together, all else rank 0's. */
    static StepReport merged(List<StepReport> reports) {
        StepReport.Builder all = reports.get(0).toBuilder();
        for (StepReport report : reports.subList(1, reports.size())) {
            all.addAllSamples(report.getSamplesList())
                    .setTokens(all.getTokens() + report.getTokens())
                    .setTokensCut(all.getTokensCut() + report.getTokensCut())
                    .setPaddingTokens(all.getPaddingTokens() + report.getPaddingTokens());
        }
        return all.build();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.chorale.proto.message.ReportPieces;
import org.chorale.proto.wire.SourceShare;
import org.chorale.proto.wire.StepReport;

/**
 * The steps of a span that some ranks have reported and others have not: reports of different ranks travel
 * independently, so that one rank's may be several steps ahead of another's. A step counts once all have reported it.
 *
 * @param from step before which all is recorded
 * @param byRank each rank's reports of the steps after {@code from}, in order
 * @param begun by rank, what has come of the step after these where more is to come
 */
record StepReports(long from, List<List<StepReport>> byRank, Map<Integer, StepReport> begun) {
    StepReports {
        byRank = List.copyOf(byRank);
        begun = Map.copyOf(begun);
    }

    static StepReports none(long from, int ranks) {
        return new StepReports(
                from,
                IntStream.range(0, ranks)
                        .mapToObj(rank -> List.<StepReport>of())
                        .toList(),
                Map.of());
    }

    /** The last step that this rank has reported. */
    long last(int rank) {
        return from + byRank.get(rank).size();
    }

    /** With a report, or a piece of one, of the step after the rank's last; empty where this is something else. */
    Optional<StepReports> with(int rank, StepReport report) {
        if (report.getStep() != last(rank) + 1 || !ReportPieces.canBegin(report)) {
            return Optional.empty();
        }
        Optional<StepReport> joined = Optional.ofNullable(begun.get(rank))
                .map(before -> ReportPieces.join(before, report))
                .orElse(Optional.of(report));
        return joined.map(
                reported -> reported.getSamplesToCome() > 0 ? beginning(rank, reported) : adding(rank, reported));
    }

    private StepReports beginning(int rank, StepReport piece) {
        Map<Integer, StepReport> more = new HashMap<>(begun);
        more.put(rank, piece);
        return new StepReports(from, byRank, more);
    }

    private StepReports adding(int rank, StepReport report) {
        Map<Integer, StepReport> others = new HashMap<>(begun);
        others.remove(rank);
        List<List<StepReport>> more = new ArrayList<>(byRank);
        List<StepReport> own = new ArrayList<>(byRank.get(rank));
        own.add(report);
        more.set(rank, List.copyOf(own));
        return new StepReports(from, more, others);
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
                        .toList(),
                begun);
    }

    /** Ranks whose report of the next step is missing. */
    List<Integer> missing() {
        return IntStream.range(0, byRank.size())
                .filter(rank -> byRank.get(rank).isEmpty())
                .boxed()
                .toList();
    }

    /**
     * One report of a step: the ranks' samples one after the other, their tokens and sources together, the mean of their operations and
     * peaks, all else rank 0's.
     */
    static StepReport merged(List<StepReport> reports) {
        StepReport.Builder all = reports.get(0).toBuilder();
        for (StepReport report : reports.subList(1, reports.size())) {
            all.addAllSamples(report.getSamplesList())
                    .setTokens(all.getTokens() + report.getTokens())
                    .setTokensCut(all.getTokensCut() + report.getTokensCut())
                    .setPaddingTokens(all.getPaddingTokens() + report.getPaddingTokens());
        }
        boolean peaksKnown = reports.stream().allMatch(report -> report.getPeakFlopsPerSecond() > 0);
        return all.clearSources()
                .addAllSources(sources(reports))
                .setFlops(mean(reports, StepReport::getFlops))
                .setPeakFlopsPerSecond(peaksKnown ? mean(reports, StepReport::getPeakFlopsPerSecond) : 0)
                .build();
    }

    /** All ranks have as many. */
    private static List<SourceShare> sources(List<StepReport> reports) {
        return IntStream.range(0, reports.get(0).getSourcesCount())
                .mapToObj(source -> {
                    List<SourceShare> ofRanks = reports.stream()
                            .map(report -> report.getSources(source))
                            .toList();
                    return SourceShare.newBuilder()
                            .setExamples(ofRanks.stream()
                                    .mapToLong(SourceShare::getExamples)
                                    .sum())
                            .setTokens(ofRanks.stream()
                                    .mapToLong(SourceShare::getTokens)
                                    .sum())
                            .build();
                })
                .toList();
    }

    private static double mean(List<StepReport> reports, ToDoubleFunction<StepReport> figure) {
        return reports.stream().mapToDouble(figure).average().orElse(0);
    }
}

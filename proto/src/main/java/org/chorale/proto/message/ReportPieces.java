// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.StepReport;

/**
 * How a rank reports a step of many examples: in several {@link CoordinatorCommand.StepDone}, none of which is larger than
 * what Artery sends by default. All but the last have samples only, and say how many are to come.
 */
public final class ReportPieces {
    /** In one piece. An index takes nine bytes at most: 144 KiB of the 256 that a frame has where nobody sets it. */
    public static final int PIECE_SAMPLES = 16 << 10;

    /** Of one rank in one step. A coordinator holds them, eight bytes each, until all ranks have reported the step. */
    public static final int MAX_SAMPLES = 4 << 20;

    private ReportPieces() {}

    /**
     * What is sent, in order.
     *
     * @throws FaultException CONFIG_INVALID where a rank has more than {@link #MAX_SAMPLES}
     */
    public static List<StepReport> cut(StepReport whole) {
        int count = whole.getSamplesCount();
        if (count > MAX_SAMPLES) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "data.global-batch: step %d has %d examples on one worker, which must be at most %d: lower it, or raise parallel.workers"
                            .formatted(whole.getStep(), count, MAX_SAMPLES));
        }
        List<StepReport> pieces = new ArrayList<>();
        int begun = 0;
        for (int until = PIECE_SAMPLES; until < count; begun = until, until += PIECE_SAMPLES) {
            pieces.add(StepReport.newBuilder()
                    .setStep(whole.getStep())
                    .addAllSamples(whole.getSamplesList().subList(begun, until))
                    .setSamplesToCome(count - until)
                    .build());
        }
        pieces.add(withSamples(whole, List.of(), whole.getSamplesList().subList(begun, count)));
        return pieces;
    }

    /** Whether this can be the first piece, or the whole, of a report. */
    public static boolean canBegin(StepReport piece) {
        long toCome = piece.getSamplesToCome();
        return toCome >= 0 && toCome <= MAX_SAMPLES - piece.getSamplesCount();
    }

    /** Both as one; empty where the second does not follow on the first, since one between them was lost. */
    public static Optional<StepReport> join(StepReport begun, StepReport next) {
        boolean follows = next.getStep() == begun.getStep()
                && canBegin(next)
                && next.getSamplesCount() + next.getSamplesToCome() == begun.getSamplesToCome();
        return follows
                ? Optional.of(withSamples(next, begun.getSamplesList(), next.getSamplesList()))
                : Optional.empty();
    }

    private static StepReport withSamples(StepReport report, List<Long> first, List<Long> last) {
        return report.toBuilder()
                .clearSamples()
                .addAllSamples(first)
                .addAllSamples(last)
                .build();
    }
}

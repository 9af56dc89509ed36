// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ReportPiecesTest {
    private static final int PIECE = ReportPieces.PIECE_SAMPLES;

    @ParameterizedTest
    @ValueSource(ints = {0, 1, PIECE})
    void aReportThatFitsTravelsAsItIs(int samples) {
        assertThat(ReportPieces.cut(report(samples))).containsExactly(report(samples));
    }

    @ParameterizedTest
    @ValueSource(ints = {PIECE + 1, 2 * PIECE, 100_000})
    void aLargerOneIsCutAndPutTogetherAgain(int samples) {
        List<StepReport> pieces = ReportPieces.cut(report(samples));
        assertThat(pieces)
                .hasSize((samples + PIECE - 1) / PIECE)
                .allMatch(piece -> piece.getStep() == 7)
                .allMatch(piece -> piece.getSerializedSize() < 160 << 10);
        StepReport joined = pieces.stream()
                .reduce((begun, next) -> ReportPieces.join(begun, next).orElseThrow())
                .orElseThrow();
        assertThat(joined).isEqualTo(report(samples));
    }

    @Test
    void aPieceThatWasLostIsMissed() {
        List<StepReport> pieces = ReportPieces.cut(report(3 * PIECE));
        assertThat(ReportPieces.join(pieces.get(0), pieces.get(1))).isPresent();
        assertThat(ReportPieces.join(pieces.get(0), pieces.get(2))).isEmpty();
        StepReport ofAnother = pieces.get(1).toBuilder().setStep(8).build();
        assertThat(ReportPieces.join(pieces.get(0), ofAnother)).isEmpty();
    }

    @Test
    void whoPromisesTooMuchIsNotBelieved() {
        StepReport.Builder piece = report(2).toBuilder();
        assertThat(ReportPieces.canBegin(
                        piece.setSamplesToCome(ReportPieces.MAX_SAMPLES - 2).build()))
                .isTrue();
        for (long toCome : new long[] {ReportPieces.MAX_SAMPLES - 1, Long.MAX_VALUE, -1, Long.MIN_VALUE}) {
            assertThat(ReportPieces.canBegin(piece.setSamplesToCome(toCome).build()))
                    .as("%d to come", toCome)
                    .isFalse();
        }
        StepReport begun = report(2).toBuilder().setSamplesToCome(1).build();
        StepReport bent = report(2).toBuilder().setSamplesToCome(-1).build();
        assertThat(ReportPieces.join(begun, bent)).isEqualTo(Optional.empty());
    }

    @Test
    void moreExamplesThanACoordinatorHoldsAreRefusedByTheKeyThatAskedForThem() {
        assertThatThrownBy(() -> ReportPieces.cut(report(ReportPieces.MAX_SAMPLES + 1)))
                .isInstanceOfSatisfying(
                        FaultException.class,
                        refused -> assertThat(refused.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID))
                .hasMessageContainingAll("data.global-batch", "step 7", "4194305", "4194304", "parallel.workers");
    }

    /** Indices as long as they can be. */
    private static StepReport report(int samples) {
        return StepReport.newBuilder()
                .setStep(7)
                .setLossNats(0.5)
                .setTokens(2L * samples)
                .putMetrics("loss.cross-entropy", 0.25)
                .addAllSamples(LongStream.range(0, samples)
                        .map(i -> Long.MAX_VALUE - i)
                        .boxed()
                        .toList())
                .build();
    }
}

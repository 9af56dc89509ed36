// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import java.util.ArrayList;
import java.util.List;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.StillWorking;

/** The events of made-up runs. */
final class Events {
    private Events() {}

    static RunEvent started(long from, long until) {
        return RunEvent.newBuilder()
                .setStarted(RunStarted.newBuilder()
                        .setFromStep(from)
                        .setUntilStep(until)
                        .setParameters(1_234_567)
                        .setExamples(4_000)
                        .setRowsSkipped(3))
                .build();
    }

    /** Half a second for 1,000 tokens, one of them cut. */
    static RunEvent step(long step, double lossNats) {
        return RunEvent.newBuilder()
                .setStep(StepReport.newBuilder()
                        .setStep(step)
                        .setLossNats(lossNats)
                        .setGradNorm(Double.isNaN(lossNats) ? Double.NaN : 1)
                        .setSkipped(Double.isNaN(lossNats))
                        .setTokens(1_000)
                        .setTokensCut(1)
                        .setSeconds(0.5))
                .build();
    }

    static RunEvent evaluation(long step, long exact, double lossNats) {
        return RunEvent.newBuilder()
                .setEvaluation(EvaluationReport.newBuilder()
                        .setStep(step)
                        .setExact(exact)
                        .setJudged(200)
                        .setExamples(200)
                        .setLossNats(lossNats))
                .build();
    }

    static RunEvent checkpoint(long step) {
        return RunEvent.newBuilder()
                .setCheckpoint(CheckpointCommitted.newBuilder()
                        .setStep(step)
                        .setPath("/runs/a/checkpoints/step-" + step)
                        .setBytes(12_345))
                .build();
    }

    static RunEvent working(long done, long total) {
        return RunEvent.newBuilder()
                .setWorking(StillWorking.newBuilder()
                        .setAwaited("the evaluation")
                        .setDone(done)
                        .setTotal(total))
                .build();
    }

    /** A run that ended before its last step, with a best checkpoint. */
    static RunEvent endedEarly(long step) {
        RunEnded.Builder ended = finished(step).getEnded().toBuilder().setMessage("3 evaluations in a row");
        ended.setBest(evaluation(step - 3, 100, 1.5).getEvaluation()).setBestPath("/runs/a/checkpoints/step-7");
        return RunEvent.newBuilder().setEnded(ended).build();
    }

    static RunEvent finished(long step) {
        return RunEvent.newBuilder()
                .setEnded(RunEnded.newBuilder()
                        .setOutcome(RunEnded.Outcome.FINISHED)
                        .setStep(step)
                        .setExportPath("/runs/a/export"))
                .build();
    }

    /** A whole run of so many steps, with evaluations before and after, and a checkpoint at the end. */
    static List<RunEvent> run(long steps) {
        List<RunEvent> events = new ArrayList<>(List.of(started(0, steps), evaluation(0, 0, 6.31)));
        for (long step = 1; step <= steps; step++) {
            events.add(step(step, 6.0 / step));
        }
        events.addAll(List.of(evaluation(steps, 189, 0.05), checkpoint(steps), finished(steps)));
        return events;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.chorale.proto.wire.RankHolding;
import org.chorale.proto.wire.RunStatus;

/** How a run of a cluster stands, for people and for programs. */
public final class StatusView {
    private static final List<String> HEADINGS = List.of("RUN", "PHASE", "STEP", "WORKERS", "DIRECTORY");

    private final RunStatus status;
    private final List<String> lines = new ArrayList<>();

    private StatusView(RunStatus status) {
        this.status = status;
    }

    /** A line for each thing that is known. */
    public static List<String> lines(RunStatus status) {
        StatusView view = new StatusView(status);
        view.add("run", status.getRun());
        view.add("directory", status.getDirectory());
        view.add("phase", phase(status) + awaited(status));
        view.addProgress();
        view.addWorkers();
        return view.lines;
    }

    private void addProgress() {
        if (status.hasStep()) {
            add("step", step(status) + ", loss " + Wording.loss(status.getStep().getLossNats()));
        }
        if (status.hasEvaluation()) {
            add("evaluation", Wording.best(status.getEvaluation()));
        }
        if (status.hasCheckpoint()) {
            add(
                    "checkpoint",
                    "step %s: %s"
                            .formatted(
                                    Wording.count(status.getCheckpoint().getStep()),
                                    status.getCheckpoint().getPath()));
        }
        if (status.getRecoveries() > 0) {
            add("recoveries", Wording.count(status.getRecoveries()));
        }
        if (status.hasEnded()) {
            add(
                    "end",
                    status.getEnded().getOutcome().name().toLowerCase(Locale.ROOT)
                            + (status.getEnded().getMessage().isEmpty()
                                    ? ""
                                    : ": " + status.getEnded().getMessage()));
        }
    }

    private void addWorkers() {
        add(
                "workers",
                Wording.count(status.getWorkers())
                        + (status.getPlacesCount() == 0 ? "" : ": " + String.join(", ", status.getPlacesList())));
        for (RankHolding holding : status.getStarted().getHoldingsList()) {
            add(
                    "rank " + holding.getRank(),
                    "%s on %s holds %s bytes of parameters, %s of gradients, %s of optimizer state"
                                    .formatted(
                                            holding.getWorker(),
                                            holding.getDevice(),
                                            Wording.count(holding.getParameterBytes()),
                                            Wording.count(holding.getGradientBytes()),
                                            Wording.count(holding.getOptimizerBytes()))
                            + activations(holding));
        }
    }

    private static String activations(RankHolding holding) {
        return holding.getRecompute().isEmpty()
                ? ""
                : ", and up to %s of activations, recompute %s"
                        .formatted(Wording.count(holding.getActivationBytes()), holding.getRecompute());
    }

    private void add(String name, String value) {
        lines.add(String.format(Locale.ROOT, "%-12s%s", name, value));
    }

    private static String phase(RunStatus status) {
        return status.getPhase().name().toLowerCase(Locale.ROOT);
    }

    private static String awaited(RunStatus status) {
        return status.getAwaited().isEmpty() ? "" : ", waits for " + status.getAwaited();
    }

    private static String step(RunStatus status) {
        return "%s of %s"
                .formatted(
                        Wording.count(status.getStep().getStep()),
                        Wording.count(status.getStarted().getUntilStep()));
    }

    /** A line per run below a line of headings. */
    public static List<String> table(List<RunStatus> runs) {
        return Table.lines(HEADINGS, runs.stream().map(StatusView::row));
    }

    private static List<String> row(RunStatus run) {
        return List.of(
                run.getRun(),
                phase(run),
                run.hasStep() ? step(run) : "-",
                Wording.count(run.getWorkers()),
                run.getDirectory());
    }

    /** One object; what is not known yet is not in it. */
    public static ObjectNode json(RunStatus status) {
        ObjectNode json = JsonView.event("status")
                .put("run", status.getRun())
                .put("directory", status.getDirectory())
                .put("phase", phase(status))
                .put("awaited", status.getAwaited())
                .put("workers", status.getWorkers())
                .put("recoveries", status.getRecoveries())
                .put("submitted_epoch_millis", status.getSubmittedEpochMillis());
        ArrayNode places = json.putArray("places");
        status.getPlacesList().forEach(places::add);
        if (status.hasStarted()) {
            json.set("started", JsonView.started(status.getStarted()));
        }
        if (status.hasStep()) {
            json.set("step", JsonView.step(status.getStep()));
        }
        if (status.hasEvaluation()) {
            json.set("evaluation", JsonView.evaluation(status.getEvaluation()));
        }
        if (status.hasCheckpoint()) {
            json.set("checkpoint", JsonView.checkpoint(status.getCheckpoint()));
        }
        if (status.hasEnded()) {
            json.putObject("ended")
                    .put("outcome", status.getEnded().getOutcome().name().toLowerCase(Locale.ROOT))
                    .put("step", status.getEnded().getStep())
                    .put("fault_code", status.getEnded().getFaultCode())
                    .put("message", status.getEnded().getMessage())
                    .put("export", status.getEnded().getExportPath());
        }
        return json;
    }
}

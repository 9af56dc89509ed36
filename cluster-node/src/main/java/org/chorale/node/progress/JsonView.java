// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.util.Locale;
import java.util.TreeMap;
import org.chorale.proto.wire.CheckpointCommitted;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RecoveryBegan;
import org.chorale.proto.wire.RunEnded;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunStarted;
import org.chorale.proto.wire.StepReport;
import org.chorale.proto.wire.WorkersAwaited;

/** One JSON object per event and line, for programs. A number that is not finite is null. */
public final class JsonView implements RunView {
    private final PrintStream out;
    private final RunFigures figures = new RunFigures();

    public JsonView(PrintStream out) {
        this.out = out;
    }

    @Override
    public void show(RunEvent event) {
        if (event.hasWorking()) {
            return; // nothing has happened
        }
        figures.add(event);
        ObjectNode json = switch (event.getEventCase()) {
            case STARTED -> started(event.getStarted());
            case STEP -> step(event.getStep());
            case EVALUATION -> evaluation(event.getEvaluation());
            case CHECKPOINT -> checkpoint(event.getCheckpoint());
            case AWAITED -> awaited(event.getAwaited());
            case RECOVERY -> recovery(event.getRecovery());
            case ENDED -> ended(event.getEnded());
            default -> throw new IllegalArgumentException("an event without content");
        };
        out.println(json); // which writes itself as JSON, on one line
        out.flush();
    }

    static ObjectNode started(RunStarted started) {
        ObjectNode json = event("started")
                .put("generation", started.getGeneration())
                .put("from_step", started.getFromStep())
                .put("until_step", started.getUntilStep())
                .put("parameters", started.getParameters())
                .put("examples", started.getExamples())
                .put("rows_skipped", started.getRowsSkipped())
                .put("evaluation_examples", started.getEvaluationExamples())
                .put("world_size", started.getWorldSize());
        ArrayNode holdings = json.putArray("holdings");
        started.getHoldingsList()
                .forEach(holding -> holdings.addObject()
                        .put("rank", holding.getRank())
                        .put("worker", holding.getWorker())
                        .put("parameter_bytes", holding.getParameterBytes())
                        .put("gradient_bytes", holding.getGradientBytes())
                        .put("optimizer_bytes", holding.getOptimizerBytes())
                        .put("recompute", holding.getRecompute())
                        .put("activation_bytes", holding.getActivationBytes())
                        .put("device", holding.getDevice())
                        .put("reserved_bytes", holding.getReservedBytes())
                        .put("leave_seconds", holding.getLeaveSeconds())
                        .put("join_seconds", holding.getJoinSeconds())
                        .put("load_seconds", holding.getLoadSeconds()));
        return json;
    }

    private static ObjectNode awaited(WorkersAwaited awaited) {
        return event("awaited")
                .put("workers", awaited.getWorkers())
                .put("wanted", awaited.getWanted())
                .put("awaited", awaited.getAwaited());
    }

    private static ObjectNode recovery(RecoveryBegan recovery) {
        return event("recovery")
                .put("worker", recovery.getWorker())
                .put("reason", recovery.getReason())
                .put("step", recovery.getStep())
                .put("from_step", recovery.getFromStep())
                .put("recoveries", recovery.getRecoveries());
    }

    static ObjectNode step(StepReport step) {
        ObjectNode json = event("step").put("step", step.getStep()).put("epoch", step.getEpoch());
        put(json, "loss", step.getLossNats());
        put(json, "grad_norm", step.getGradNorm());
        put(json, "learning_rate", step.getLearningRate());
        put(json, "tokens_per_second", step.getTokens() / step.getSeconds());
        if (step.getLossScale() > 0) {
            json.put("loss_scale", step.getLossScale());
        }
        if (step.getMetricsCount() > 0) {
            ObjectNode metrics = json.putObject("metrics");
            new TreeMap<>(step.getMetricsMap()).forEach((name, mean) -> put(metrics, name, mean));
        }
        return json.put("tokens", step.getTokens())
                .put("padding_tokens", step.getPaddingTokens())
                .put("trained_tokens", step.getTrainedTokens())
                .put("tokens_cut", step.getTokensCut())
                .put("seconds", step.getSeconds())
                .put("skipped", step.getSkipped());
    }

    static ObjectNode evaluation(EvaluationReport evaluation) {
        ObjectNode json = event("evaluation")
                .put("step", evaluation.getStep())
                .put("examples", evaluation.getExamples())
                .put("exact", evaluation.getExact())
                .put("judged", evaluation.getJudged())
                .put("tokens", evaluation.getTokens())
                .put("trained_tokens", evaluation.getTrainedTokens())
                .put("best", evaluation.getBest())
                .put("seconds", evaluation.getSeconds());
        put(json, "loss", evaluation.getLossNats());
        put(json, "perplexity", Math.exp(evaluation.getLossNats()));
        return json;
    }

    static ObjectNode checkpoint(CheckpointCommitted checkpoint) {
        return event("checkpoint")
                .put("step", checkpoint.getStep())
                .put("path", checkpoint.getPath())
                .put("bytes", checkpoint.getBytes())
                .put("best", checkpoint.getBest());
    }

    private ObjectNode ended(RunEnded ended) {
        ObjectNode json = event("ended")
                .put("outcome", ended.getOutcome().name().toLowerCase(Locale.ROOT))
                .put("step", ended.getStep())
                .put("steps", figures.steps())
                .put("tokens", figures.tokens())
                .put("tokens_cut", figures.tokensCut())
                .put("steps_skipped", figures.skippedSteps())
                .put("export", ended.getExportPath())
                .put("fault_code", ended.getFaultCode().isEmpty() ? null : ended.getFaultCode())
                .put("message", ended.getMessage());
        if (ended.hasBest()) {
            ObjectNode best = json.putObject("best").put("step", ended.getBest().getStep());
            put(best, "loss", ended.getBest().getLossNats());
            best.put("exact", ended.getBest().getExact())
                    .put("judged", ended.getBest().getJudged())
                    .put("path", ended.getBestPath());
        }
        put(json, "tokens_per_second", figures.tokensPerSecond());
        return json;
    }

    static ObjectNode event(String name) {
        return JsonNodeFactory.instance.objectNode().put("event", name);
    }

    private static void put(ObjectNode json, String name, double number) {
        if (Double.isFinite(number)) {
            json.put(name, number);
        } else {
            json.putNull(name);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.data.source.SourceConfig;
import org.chorale.node.config.OptionKeys;
import org.chorale.node.progress.EvaluationView;
import org.chorale.node.run.EvaluationCast;
import org.chorale.node.run.LocalRun;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.EvaluationReport;
import org.chorale.proto.wire.RunEnded;

/**
 * {@code chorale eval}.
 *
 * @param model a model folder
 * @param data held-out examples
 * @param keys of a run's configuration that options set, with their values
 */
record Measurement(Console console, boolean json, Path model, Path data, Map<String, Object> keys) {
    int run() throws InterruptedException {
        refuseMissing("MODEL_DIR", model, "a model folder");
        if (!SourceConfig.isGlob(data)) {
            refuseMissing("DATA", data, SourceConfig.KINDS);
        }
        if (keys.get("model.adapter.path") instanceof Path adapter) {
            refuseMissing("--adapter", adapter, "a PEFT folder with adapter_config.json");
        }
        if (keys.get("data.tokenizer.path") instanceof Path tokenizer) {
            refuseMissing("--tokenizer", tokenizer, "a folder with tokenizer.json");
        }
        try (TemporaryFolder folder = TemporaryFolder.create("chorale-eval-")) {
            return measure(configuration(folder.path()));
        }
    }

    private void refuseMissing(String parameter, Path path, String what) {
        Path absolute = absolute(path);
        if (!Files.isReadable(absolute)) {
            throw new FaultException(
                    FaultCode.FILE_MISSING,
                    "%s %s: does not exist or cannot be read; must be %s".formatted(parameter, absolute, what));
        }
    }

    /** The examples are held out, but a feeder wants some to train on too; those are never asked for. */
    private String configuration(Path folder) {
        Map<String, Object> values = new LinkedHashMap<>(Map.of(
                "run.dir", folder.toString(),
                "model.path", absolute(model).toString(),
                "data.train.path", absolute(data).toString(),
                "data.eval.path", absolute(data).toString()));
        keys.forEach((key, value) ->
                values.put(key, value instanceof Path path ? absolute(path).toString() : value));
        return OptionKeys.resolve(values);
    }

    private int measure(String conf) throws InterruptedException {
        EvaluationView view = new EvaluationView(console.out(), console.terminal() && !json, console.columns());
        RunSettings run = ConfigReader.read(conf, "run", RunSettings.class);
        try (LocalRun evaluation = LocalRun.start(new EvaluationCast(conf), run.progressTimeout(), view)) {
            RunEnded ended = evaluation.await();
            Optional<EvaluationReport> report = view.report();
            if (report.isPresent()) {
                print(report.get());
                return ExitCode.DONE;
            }
            FaultCode code = FaultCode.valueOf(ended.getFaultCode());
            new ErrorReport(console, json, false).report(new Fault(code, ended.getMessage()));
            return ExitCode.of(code.kind());
        }
    }

    private void print(EvaluationReport report) {
        if (json) {
            console.out().println(object(report));
        } else {
            console.out().print(EvaluationView.lines(report));
        }
    }

    /** A number that is not finite is null: JSON has none for it. */
    private static ObjectNode object(EvaluationReport report) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        put(json, "loss", report.getLossNats());
        put(json, "perplexity", Math.exp(report.getLossNats()));
        json.put("examples", report.getExamples())
                .put("tokens", report.getTokens())
                .put("trained_tokens", report.getTrainedTokens())
                .put("exact", report.getExact())
                .put("judged", report.getJudged());
        put(json, "exact_match", (double) report.getExact() / report.getJudged());
        put(json, "seconds", report.getSeconds());
        put(json, "tokens_per_second", report.getTokens() / report.getSeconds());
        return json;
    }

    private static void put(ObjectNode json, String name, double number) {
        if (Double.isFinite(number)) {
            json.put(name, number);
        } else {
            json.putNull(name);
        }
    }

    private Path absolute(Path path) {
        return console.currentFolder().resolve(path).toAbsolutePath().normalize();
    }
}

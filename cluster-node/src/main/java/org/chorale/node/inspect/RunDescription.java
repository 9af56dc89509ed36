// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.inspect;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.chorale.coordinator.directory.Checkpoint;
import org.chorale.coordinator.directory.RunContents;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.wire.EvaluationReport;

/** A run directory; the run may be going on. Of its checkpoints only the manifests are read. */
record RunDescription(RunContents run, List<Checkpoint> checkpoints, Optional<Checkpoint> best) implements Description {
    static RunDescription read(Path folder) {
        RunContents run = RunDirectory.read(folder);
        List<Checkpoint> checkpoints =
                run.checkpoints().folders().stream().map(Checkpoint::read).toList();
        return new RunDescription(run, checkpoints, run.checkpoints().best());
    }

    @Override
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(Layout.field("run", run.dir()));
        for (Checkpoint checkpoint : checkpoints) {
            lines.add(Layout.field(
                    "checkpoint",
                    "step %s, %s".formatted(Layout.count(checkpoint.step()), Layout.bytes(checkpoint.bytes()))));
        }
        if (checkpoints.isEmpty()) {
            lines.add(Layout.field("checkpoint", "none yet"));
        }
        best.ifPresent(checkpoint -> lines.add(Layout.field("best", described(checkpoint))));
        lines.add(Layout.field("export", run.exported() ? run.dir().resolve("export") : "none yet"));
        lines.add("");
        run.runConf().lines().forEach(lines::add);
        return lines;
    }

    @Override
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance
                .objectNode()
                .put("kind", "run")
                .put("path", run.dir().toString())
                .put("exported", run.exported());
        ArrayNode list = json.putArray("checkpoints");
        checkpoints.forEach(checkpoint -> list.addObject()
                .put("step", checkpoint.step())
                .put("path", checkpoint.folder().toString())
                .put("bytes", checkpoint.bytes()));
        best.ifPresent(checkpoint -> addBest(json.putObject("best"), checkpoint));
        json.set("configuration", configuration());
        return json;
    }

    private static String described(Checkpoint checkpoint) {
        EvaluationReport report = checkpoint.manifest().getEvaluation();
        String exact = report.getJudged() == 0
                ? ""
                : ", exact match %s of %s".formatted(Layout.count(report.getExact()), Layout.count(report.getJudged()));
        return "step %s, loss %s%s".formatted(Layout.count(checkpoint.step()), report.getLossNats(), exact);
    }

    private static void addBest(ObjectNode json, Checkpoint checkpoint) {
        EvaluationReport report = checkpoint.manifest().getEvaluation();
        json.put("step", checkpoint.step())
                .put("path", checkpoint.folder().toString())
                .put("loss", report.getLossNats())
                .put("exact", report.getExact())
                .put("judged", report.getJudged());
    }

    private ObjectNode configuration() {
        ObjectNode keys = JsonNodeFactory.instance.objectNode();
        ConfigReader.parse("run.conf", run.runConf()).entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .forEach(entry -> keys.putPOJO(entry.getKey(), entry.getValue().unwrapped()));
        return keys;
    }
}

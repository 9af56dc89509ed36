// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/**
 * A line of the files in {@code deploy/bench/results}: what {@link GpuStepBench} or {@code deploy/bench/peers/step.py}
 * printed of one row of the table of speeds.
 *
 * @param date of the measurement, in UTC
 * @param system {@code chorale}, or a peer and after a comma how it ran
 * @param ranks that share the model, of which this is one: speed and memory are those of each
 * @param copies of the model that they hold together
 * @param peakGib the most that tensors held of the device's memory; empty where that is not counted
 * @param control whether it measures again what an older result says, to tell whether the machine is still the same
 */
record SpeedResult(
        String date,
        String machine,
        String command,
        String row,
        String system,
        String precision,
        String recompute,
        int sequences,
        int tokens,
        int ranks,
        int copies,
        double tokensPerSecond,
        OptionalDouble peakGib,
        boolean control) {
    static final String CHORALE = "chorale";

    private static final JsonMapper MAPPER = new JsonMapper();
    private static final List<String> WORDS =
            List.of("date", "machine", "command", "row", "system", "precision", "recompute");
    private static final List<String> NUMBERS = List.of("sequences", "tokens", "tokens_per_second");

    /**
     * All results of a folder, the oldest first; those of one day in the order of files and lines.
     *
     * @throws IllegalArgumentException a line per problem, with file and line
     */
    static List<SpeedResult> readAll(Path folder) throws IOException {
        List<SpeedResult> results = new ArrayList<>();
        List<String> problems = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".jsonl"))
                    .sorted()
                    .toList()) {
                int number = 0;
                for (String line : Files.readAllLines(file)) {
                    String place = file.getFileName() + ":" + ++number;
                    if (!line.isBlank()) {
                        read(place, line, results, problems);
                    }
                }
            }
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
        results.sort(Comparator.comparing(SpeedResult::date)); // stable
        return results;
    }

    private static void read(String place, String line, List<SpeedResult> results, List<String> problems) {
        JsonNode json;
        try {
            json = MAPPER.readTree(line);
        } catch (JsonProcessingException e) {
            problems.add(place + ": is no JSON: " + e.getOriginalMessage());
            return;
        }
        int before = problems.size();
        WORDS.stream()
                .filter(key -> json.path(key).asText().isBlank())
                .forEach(key -> problems.add("%s: %s is missing: must be a text".formatted(place, key)));
        NUMBERS.stream()
                .filter(key -> !(json.path(key).asDouble() > 0))
                .forEach(key -> problems.add("%s: %s is missing: must be a number above 0".formatted(place, key)));
        if (!json.path("date").asText("2000-01-01").matches("\\d{4}-\\d\\d-\\d\\d|")) {
            problems.add("%s: date = %s: must be as 2026-01-31"
                    .formatted(place, json.path("date").asText()));
        }
        if (problems.size() == before) {
            results.add(of(json));
        }
    }

    private static SpeedResult of(JsonNode json) {
        JsonNode gib = json.path("peak_allocated_gib");
        return new SpeedResult(
                json.path("date").asText(),
                json.path("machine").asText(),
                json.path("command").asText(),
                json.path("row").asText(),
                json.path("system").asText(),
                precision(json),
                json.path("recompute").asText(),
                json.path("sequences").asInt(),
                json.path("tokens").asInt(),
                json.path("ranks").asInt(1),
                json.path("copies").asInt(1),
                json.path("tokens_per_second").asDouble(),
                gib.isNumber() ? OptionalDouble.of(gib.asDouble()) : OptionalDouble.empty(),
                json.path("control").asBoolean());
    }

    private static String precision(JsonNode json) {
        String fp8 = json.path("fp8").asText("none");
        return json.path("precision").asText()
                + (json.path("tf32").asBoolean() ? " with tf32" : "")
                + (fp8.equals("none") ? "" : " with FP8 by " + fp8)
                + (json.path("gather_fp8").asBoolean() ? ", weights gathered in FP8" : "");
    }

    boolean isOurs() {
        return system.equals(CHORALE);
    }

    /** What a later result must have in common with this one to stand in its place. */
    List<Object> setting() {
        return List.of(row, system, precision, recompute, sequences, tokens, ranks, copies, machine);
    }
}

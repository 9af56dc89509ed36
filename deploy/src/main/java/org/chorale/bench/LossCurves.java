// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Compares the losses of runs step by step, with the first run as the reference: prints the largest gap of each other
 * run as Markdown, and draws all of them as one SVG picture.
 *
 * <p>Arguments: the picture's file, then {@code NAME=RUN_DIR} for each run.
 */
public final class LossCurves {
    private LossCurves() {}

    /**
     * A run's losses.
     *
     * @param nats of step 1, 2, …
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Curve(String name, double[] nats) {
        static Curve read(String argument) throws IOException {
            int equals = argument.indexOf('=');
            Path metrics = Path.of(argument.substring(equals + 1)).resolve("metrics.jsonl");
            List<Double> losses = new ArrayList<>();
            ObjectMapper json = new ObjectMapper();
            for (String line : Files.readAllLines(metrics)) {
                JsonNode entry = json.readTree(line);
                if (entry.path("kind").asText().equals("step")) {
                    losses.add(
                            entry.path("loss").isNumber() ? entry.path("loss").asDouble() : Double.NaN);
                }
            }
            return new Curve(
                    argument.substring(0, equals),
                    losses.stream().mapToDouble(Double::doubleValue).toArray());
        }

        /** The step at which this run is farthest from another; steps that either skipped do not count. */
        int farthestFrom(Curve other) {
            int farthest = 0;
            double gap = -1;
            for (int i = 0; i < Math.min(nats.length, other.nats.length); i++) {
                double here = Math.abs(nats[i] - other.nats[i]);
                if (here > gap) { // false for NaN
                    gap = here;
                    farthest = i;
                }
            }
            return farthest;
        }

        double gap(Curve other, int step) {
            return Math.abs(nats[step] - other.nats[step]);
        }

        double largest() {
            return Arrays.stream(nats).filter(Double::isFinite).max().orElse(1);
        }

        /** Mean over the last tenth, where curves that end alike should meet. */
        double end() {
            int tenth = Math.max(1, nats.length / 10);
            return Arrays.stream(nats, nats.length - tenth, nats.length)
                    .average()
                    .orElse(Double.NaN);
        }
    }

    /** Compares and draws. */
    public static void main(String[] arguments) throws IOException {
        List<Curve> curves = new ArrayList<>();
        for (String argument : Arrays.asList(arguments).subList(1, arguments.length)) {
            curves.add(Curve.read(argument));
        }
        report(curves);
        Files.writeString(Path.of(arguments[0]), LossPicture.of(curves));
    }

    private static void report(List<Curve> curves) {
        Curve reference = curves.get(0);
        System.out.println("| run | steps | largest gap to " + reference.name() + ", nats | at step | end, nats |");
        System.out.println("| --- | --- | --- | --- | --- |");
        for (Curve curve : curves) {
            int step = curve.farthestFrom(reference);
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %d | %.4f | %d | %.4f |%n",
                    curve.name(),
                    curve.nats().length,
                    curve.gap(reference, step),
                    step + 1,
                    curve.end());
        }
    }
}

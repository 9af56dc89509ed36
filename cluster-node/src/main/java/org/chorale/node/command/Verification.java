// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;
import org.chorale.training.golden.GoldenCheck;
import org.chorale.training.golden.GoldenCheck.Row;
import org.chorale.training.shard.Precision;
import org.jspecify.annotations.Nullable;

/**
 * {@code chorale verify}: in fp32 a verdict per quantity, in another format its error.
 *
 * @param device that computes
 */
record Verification(Console console, boolean json, Precision precision, Device device) {
    private static final String HEADING = "quantity";

    int run(Path model, Optional<Path> adapter, Path golden) {
        List<Row> rows = GoldenCheck.run(
                console.currentFolder().resolve(model),
                adapter.map(folder -> console.currentFolder().resolve(folder)),
                console.currentFolder().resolve(golden),
                precision,
                device);
        return report(golden, rows);
    }

    int report(Path golden, List<Row> rows) {
        if (rows.isEmpty()) {
            throw new FaultException(
                    FaultCode.FILE_MALFORMED,
                    golden + " holds no quantity to compare: must hold logits, loss, grad.NAME or train.losses too");
        }
        boolean passed = rows.stream().allMatch(Row::passed);
        if (json) {
            printJson(rows, passed);
        } else if (precision == Precision.FP32) {
            printVerdicts(rows, passed);
        } else {
            printErrors(rows);
        }
        return passed ? ExitCode.DONE : ExitCode.FAILED_OR_DIFFERS;
    }

    private void printVerdicts(List<Row> rows, boolean passed) {
        String format = "%-" + width(rows) + "s %12s %12s  %s%n";
        console.out().printf(Locale.ROOT, format, HEADING, "difference", "tolerance", "verdict");
        for (Row row : rows) {
            String verdict = (row.passed() ? "equal" : "DIFFERS") + (row.note().isEmpty() ? "" : ": " + row.note());
            console.out()
                    .printf(
                            Locale.ROOT,
                            format,
                            row.quantity(),
                            figure(row.largestDifference()),
                            figure(row.tolerance()),
                            verdict);
        }
        long equal = rows.stream().filter(Row::passed).count();
        console.out().printf("%d of %d quantities are equal: %s%n", equal, rows.size(), passed ? "passed" : "FAILED");
    }

    private void printErrors(List<Row> rows) {
        String format = "%-" + width(rows) + "s %14s %12s  %s%n";
        console.out().printf(Locale.ROOT, format, HEADING, "relative error", "difference", "");
        for (Row row : rows) {
            String note = row.passed() || !row.note().isEmpty() ? row.note() : "is not finite";
            console.out()
                    .printf(
                            Locale.ROOT,
                            format,
                            row.quantity(),
                            figure(row.relativeError()),
                            figure(row.largestDifference()),
                            note);
        }
    }

    private static int width(List<Row> rows) {
        return Stream.concat(Stream.of(HEADING), rows.stream().map(Row::quantity))
                .mapToInt(String::length)
                .max()
                .getAsInt();
    }

    private static String figure(double number) {
        return String.format(Locale.ROOT, "%.2e", number);
    }

    private void printJson(List<Row> rows, boolean passed) {
        ObjectNode json = JsonNodeFactory.instance
                .objectNode()
                .put("passed", passed)
                .put("precision", precision.word())
                .put("device", device.toString());
        json.putArray("rows");
        for (Row row : rows) {
            json.withArray("rows")
                    .addObject()
                    .put("quantity", row.quantity())
                    .put("largest_difference", finite(row.largestDifference()))
                    .put("relative_error", finite(row.relativeError()))
                    .put("tolerance", finite(row.tolerance()))
                    .put("passed", row.passed())
                    .put("note", row.note());
        }
        console.out().println(json);
    }

    /** JSON has no number for what is not finite. */
    private static @Nullable Double finite(double number) {
        return Double.isFinite(number) ? number : null;
    }
}

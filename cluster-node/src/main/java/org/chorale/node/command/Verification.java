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
import org.jspecify.annotations.Nullable;

/** {@code chorale verify}. */
record Verification(Console console, boolean json) {
    private static final String HEADING = "quantity";

    int run(Path model, Optional<Path> adapter, Path golden, Device device) {
        List<Row> rows = GoldenCheck.run(
                console.currentFolder().resolve(model),
                adapter.map(folder -> console.currentFolder().resolve(folder)),
                console.currentFolder().resolve(golden),
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
        } else {
            printTable(rows, passed);
        }
        return passed ? ExitCode.DONE : ExitCode.FAILED_OR_DIFFERS;
    }

    private void printTable(List<Row> rows, boolean passed) {
        int width = Stream.concat(Stream.of(HEADING), rows.stream().map(Row::quantity))
                .mapToInt(String::length)
                .max()
                .getAsInt();
        String format = "%-" + width + "s %12s %12s  %s%n";
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

    private static String figure(double number) {
        return String.format(Locale.ROOT, "%.2e", number);
    }

    private void printJson(List<Row> rows, boolean passed) {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("passed", passed);
        json.putArray("rows");
        for (Row row : rows) {
            json.withArray("rows")
                    .addObject()
                    .put("quantity", row.quantity())
                    .put("largest_difference", finite(row.largestDifference()))
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

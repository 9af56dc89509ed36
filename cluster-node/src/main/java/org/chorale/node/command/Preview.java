// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.chorale.data.DataPreview;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** {@code chorale data preview}. */
record Preview(Console console, boolean colored) {
    private static final int MAX_ROWS = 1 << 20;
    private static final String GREEN = "\u001b[32m";
    private static final String FAINT = "\u001b[2m";
    private static final String RESET = "\u001b[0m";

    int run(Path file, List<String> assignments, int rows) throws IOException {
        if (rows < 1 || rows > MAX_ROWS) {
            throw new FaultException(FaultCode.CONFIG_INVALID, "--rows %d: must be 1 to %d".formatted(rows, MAX_ROWS));
        }
        try (TemporaryFolder scratch = TemporaryFolder.create("chorale-preview-")) { // a run may use its own directory
            RunConf conf = new RunFile(file, console.currentFolder()).resolve(assignments, Optional.of(scratch.path()));
            NamedPaths.refuseMissingInput(conf);
            try (DataPreview preview = DataPreview.open(conf.text())) {
                show(preview, rows);
            }
        }
        return ExitCode.DONE;
    }

    private void show(DataPreview preview, int rows) {
        PrintStream out = console.out();
        int number = 0;
        for (List<DataPreview.Document> sequence : preview.sequences(rows)) {
            number++;
            if (preview.packs()) {
                out.printf(
                        Locale.ROOT,
                        "=== sequence %,d: %,d documents, %,d tokens%n",
                        number,
                        sequence.size(),
                        sequence.stream().mapToInt(DataPreview.Document::tokens).sum());
            }
            sequence.forEach(document -> show(document, out));
        }
        preview.report().forEach(out::println);
        out.flush();
    }

    private void show(DataPreview.Document document, PrintStream out) {
        String cut =
                document.tokensCut() > 0 ? String.format(Locale.ROOT, ", at least %,d cut", document.tokensCut()) : "";
        out.printf(
                Locale.ROOT,
                "--- example %,d, %s: %,d tokens, %,d trained%s%n",
                document.index(),
                document.place(),
                document.tokens(),
                document.trainedTokens(),
                cut);
        document.parts().forEach(part -> out.print(marked(part)));
        out.println();
        out.println();
    }

    private String marked(DataPreview.Part part) {
        String text = Visible.of(part.text());
        if (colored) {
            return (part.trained() ? GREEN : FAINT) + text + RESET;
        }
        return part.trained() ? "[[" + text + "]]" : text;
    }
}

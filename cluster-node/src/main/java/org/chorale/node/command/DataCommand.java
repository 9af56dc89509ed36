// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.io.IOException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** {@code chorale data}: looks at the data of a run without training. */
@Command(
        name = "data",
        description = "Looks at the data of a run.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND")
final class DataCommand {
    private @Nullable @ParentCommand ChoraleCommand chorale;

    enum Color {
        AUTO,
        ALWAYS,
        NEVER;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Command(
            name = "preview",
            description = "Shows the first examples of a run, rendered, tokenized and masked, and what the data is.",
            mixinStandardHelpOptions = true,
            abbreviateSynopsis = true,
            footer = {
                "",
                "What is trained is green, or stands in [[ ]] where there is no colour. Nothing is written into the run"
                        + " directory.",
                "",
                "Example:",
                "  chorale data preview deploy/recipes/chat.conf --rows 2 data.packing=true"
            })
    int preview(
            @Mixin RunFileParameters run,
            @Option(
                            names = "--rows",
                            paramLabel = "N",
                            defaultValue = "5",
                            description = "How many sequences to show. Default: ${DEFAULT-VALUE}.")
                    int rows,
            @Option(
                            names = "--color",
                            paramLabel = "WHEN",
                            defaultValue = "auto",
                            description = "auto (on a terminal, unless NO_COLOR is set), always or never.")
                    Color color)
            throws IOException {
        if (chorale == null) {
            throw new IllegalStateException("picocli sets the parent command");
        }
        Console console = chorale.console();
        boolean colored = switch (color) {
            case ALWAYS -> true;
            case NEVER -> false;
            case AUTO -> console.terminal() && isEmpty(System.getenv("NO_COLOR"));
        };
        return new Preview(console, colored).run(run.file(), run.assignments(), rows);
    }

    @Command(
            name = "stats",
            description = "Reads and tokenizes all data of a run, and says what there is.",
            mixinStandardHelpOptions = true,
            footer = {
                "",
                "Of every source: rows, those that a filter or a fault leaves out and why, tokens, how long examples are,"
                        + " what is cut. Of all: shares of a mix, padding, packing, duplicates. Rows that cannot be used"
                        + " are counted, whatever data.malformed-rows says. Nothing is written into the run directory.",
                "",
                "Examples:",
                "  chorale data stats deploy/recipes/chat.conf",
                "  chorale data stats my.conf --json | jq '.sources[] | {path, examples, epoch_share}'"
            })
    int stats(
            @Mixin RunFileParameters run,
            @Option(names = "--json", description = "Print one JSON object.") boolean json)
            throws IOException {
        if (chorale == null) {
            throw new IllegalStateException("picocli sets the parent command");
        }
        return new Stats(chorale.console(), json).run(run.file(), run.assignments());
    }

    private static boolean isEmpty(@Nullable String variable) {
        return variable == null || variable.isEmpty();
    }
}

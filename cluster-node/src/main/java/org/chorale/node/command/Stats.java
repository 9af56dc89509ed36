// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.data.DataStats;
import org.chorale.data.DataStatsText;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;

/** {@code chorale data stats}. */
record Stats(Console console, boolean json) {
    /** The first row that cannot be used shall not hide the others. */
    private static final String COUNT_MALFORMED_ROWS = "data.malformed-rows=skip";

    int run(Path file, List<String> assignments) throws IOException {
        try (TemporaryFolder scratch = TemporaryFolder.create("chorale-stats-")) { // a run may use its own directory
            List<String> all = Stream.concat(assignments.stream(), Stream.of(COUNT_MALFORMED_ROWS))
                    .toList();
            RunConf conf = new RunFile(file, console.currentFolder()).resolve(all, Optional.of(scratch.path()));
            NamedPaths.refuseMissingInput(conf);
            DataStatsText text = new DataStatsText(DataStats.of(conf.text()));
            PrintStream out = console.out();
            if (json) {
                out.println(text.json());
            } else {
                text.lines().forEach(line -> out.println(Visible.of(line)));
            }
            out.flush();
        }
        return ExitCode.DONE;
    }
}

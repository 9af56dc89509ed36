// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.data.DataConfig;
import org.chorale.data.DataStats;
import org.chorale.data.DataStatsText;
import org.chorale.data.source.MalformedRows;
import org.chorale.node.config.NamedPaths;
import org.chorale.node.config.RunConf;
import org.chorale.node.config.RunFile;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;

/** {@code chorale data stats}. */
record Stats(Console console, boolean json) {
    /** The first row that cannot be used shall not hide the others. */
    private static final String COUNT_MALFORMED_ROWS = "data.malformed-rows=skip";

    int run(Path file, List<String> assignments) throws IOException {
        try (TemporaryFolder scratch = TemporaryFolder.create("chorale-stats-")) { // a run may use its own directory
            RunConf asked = resolve(file, assignments, scratch);
            NamedPaths.refuseMissingInput(asked);
            List<String> counting = Stream.concat(assignments.stream(), Stream.of(COUNT_MALFORMED_ROWS))
                    .toList();
            DataStats stats = DataStats.of(resolve(file, counting, scratch).text());
            DataStatsText text = new DataStatsText(stats);
            PrintStream out = console.out();
            if (json) {
                out.println(text.json());
            } else {
                text.lines().forEach(line -> out.println(Visible.of(line)));
            }
            out.flush();
            return verdict(stats, asked);
        }
    }

    private RunConf resolve(Path file, List<String> assignments, TemporaryFolder scratch) {
        return new RunFile(file, console.currentFolder()).resolve(assignments, Optional.of(scratch.path()));
    }

    /** Whether the run would begin at all. */
    private int verdict(DataStats stats, RunConf asked) {
        DataConfig data = ConfigReader.read(asked.text(), "data", DataConfig.class);
        if (data.malformedRows() == MalformedRows.SKIP || stats.firstSkipped().isEmpty()) {
            return ExitCode.DONE;
        }
        Fault fault = new Fault(
                FaultCode.DATA_MALFORMED,
                stats.firstSkipped().get() + "\n  A run would end here: mend such rows, or leave them out with"
                        + " data.malformed-rows = skip");
        new ErrorReport(console, false, false).report(fault);
        return ExitCode.of(fault.code().kind());
    }
}

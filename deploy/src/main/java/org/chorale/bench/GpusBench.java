// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.google.errorprone.annotations.FormatMethod;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.chorale.bench.GpuDemand.Finding;
import org.chorale.bench.GpuDemand.Kind;

/**
 * Measures all that is demanded of several GPUs of one machine, and prints it as a Markdown table, row by row. A command
 * that several rows need runs once.
 *
 * <p>Arguments: the repository's root and what {@link GpusSetup} says. Ends with 1 where something failed to run or to be
 * read, 0 otherwise, whether demands are met or not.
 */
public final class GpusBench {
    private final Path root;
    private final Path folder;
    private final PrintStream out;
    private final Map<BenchCommand, BenchOutput> outputs = new HashMap<>();
    private int failures;

    private GpusBench(Path root, Path folder, PrintStream out) {
        this.root = root;
        this.folder = folder;
        this.out = out;
    }

    /** Measures and prints. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        try {
            List<String> own = List.of(arguments).subList(1, arguments.length);
            System.exit(run(Path.of(arguments[0]), GpusSetup.parse(own), System.out));
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(2);
        }
    }

    /** The exit code. */
    static int run(Path root, GpusSetup setup, PrintStream out) throws IOException, InterruptedException {
        if (setup.dryRun()) {
            commands(setup.demands(Path.of("FOLDER"))).forEach(command -> out.println(command.line()));
            return 0;
        }
        Path folder = setup.folder().isPresent()
                ? Files.createDirectories(setup.folder().get().toAbsolutePath())
                : Files.createTempDirectory("chorale-gpus");
        GpusBench bench = new GpusBench(root, folder, out);
        bench.run(setup);
        return bench.failures == 0 ? 0 : 1;
    }

    private static Set<BenchCommand> commands(List<GpuDemand> demands) {
        return demands.stream()
                .flatMap(demand -> demand.commands().stream())
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    private void run(GpusSetup setup) throws IOException, InterruptedException {
        line(
                "%d ranks on %s; what commands print is in %s\n",
                setup.ranks(), setup.devices().word(), folder);
        line("| demand | measured | needed | met | command |");
        line("| --- | --- | --- | --- | --- |");
        for (GpuDemand demand : setup.demands(folder)) {
            Finding finding = find(demand);
            line(
                    "| %s | %s | %s | %s | %s |",
                    demand.what(),
                    finding.measured(),
                    demand.needed().isEmpty() ? "–" : demand.needed(),
                    finding.met().map(met -> met ? "yes" : "**no**").orElse("–"),
                    demand.commands().stream()
                            .map(command -> "`" + command.line() + "`")
                            .collect(Collectors.joining(", ")));
        }
        line("\n%d rows could not be measured", failures);
    }

    private Finding find(GpuDemand demand) throws IOException, InterruptedException {
        if (demand.kind() == Kind.PEER && !hasPython()) {
            return Finding.told("not measured: python3 cannot import torch and transformers");
        }
        List<BenchOutput> read = new ArrayList<>();
        for (BenchCommand command : demand.commands()) {
            BenchOutput output = output(command);
            if (output.exitCode() != 0) {
                return failed("ended with %d, see %s", output.exitCode(), command.log());
            }
            read.add(output);
        }
        try {
            return demand.reading().of(read);
        } catch (IOException | RuntimeException e) {
            return failed("%s, see %s", e, demand.commands().get(0).log());
        }
    }

    @FormatMethod
    private Finding failed(String format, Object... arguments) {
        failures++;
        return Finding.told("**failed: " + format + "**", arguments);
    }

    private BenchOutput output(BenchCommand command) throws IOException, InterruptedException {
        BenchOutput known = outputs.get(command);
        if (known == null) {
            System.err.printf("running %s%n", command.line());
            known = command.run(root, folder);
            outputs.put(command, known);
        }
        return known;
    }

    private boolean hasPython() throws InterruptedException {
        try {
            return output(GpuCommands.python()).exitCode() == 0;
        } catch (IOException e) {
            return false; // there is no Python at all
        }
    }

    @FormatMethod
    private void line(String format, Object... arguments) {
        out.println(String.format(Locale.ROOT, format, arguments));
    }
}

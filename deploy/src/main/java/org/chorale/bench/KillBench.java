// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;
import org.chorale.bench.KilledRun.Kill;
import org.chorale.node.Main;

/**
 * Kills workers of the quickstart's training with SIGKILL in the middle of their steps, one at a time, and holds what the
 * run leaves against what a run in peace does: samples, losses and norms of every step, and the exported weights to the
 * last bit. Then what each kill cost.
 *
 * <p>Arguments: the repository's root, an empty folder, and key=value: {@code workers} (2), {@code kills} (20), {@code seed}
 * (1) for moments and victims, and keys of the run, such as {@code parallel.device=cpu} and {@code precision=bf16}. Prints
 * Markdown; ends with 1 where the runs differ, or a survivor did not stay.
 */
public final class KillBench {
    /** Between two kills, beyond which a checkpoint is reached in any case. */
    private static final int STEPS_BETWEEN = 15;

    private static final int CHECKPOINT_EVERY = 10;

    /** What one run may measure differently from the next. */
    private static final List<String> COMPARED = List.of(
            "kind", "step", "epoch", "loss", "grad_norm", "learning_rate", "tokens", "trained_tokens", "samples");

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Path root;
    private final Path folder;
    private final int workers;
    private final int kills;
    private final Random random;
    private final List<String> keys = new ArrayList<>(); // of the run

    private KillBench(Path root, Path folder, List<String> settings) {
        Map<String, String> own = new TreeMap<>(Map.of("workers", "2", "kills", "20", "seed", "1"));
        for (String setting : settings) {
            String[] parts = setting.split("=", 2);
            if (own.containsKey(parts[0]) && parts.length == 2) {
                own.put(parts[0], parts[1]);
            } else {
                keys.add(setting);
            }
        }
        this.root = root;
        this.folder = folder;
        this.workers = Integer.parseInt(own.get("workers"));
        this.kills = Integer.parseInt(own.get("kills"));
        this.random = new Random(Long.parseLong(own.get("seed")));
    }

    /** Runs and prints. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        List<String> settings = List.of(arguments).subList(2, arguments.length);
        boolean well = new KillBench(Path.of(arguments[0]), Path.of(arguments[1]), settings).run();
        System.exit(well ? 0 : 1);
    }

    private boolean run() throws IOException, InterruptedException {
        List<Kill> costs = new ArrayList<>();
        String devices;
        try (KilledRun peaceful = KilledRun.start(train("peaceful"), random)) {
            peaceful.finish();
            devices = peaceful.devices();
        }
        try (KilledRun killed = KilledRun.start(train("killed"), random)) {
            for (int i = 0; i < kills; i++) {
                Kill kill = killed.kill(1 + i * (long) STEPS_BETWEEN + random.nextInt(CHECKPOINT_EVERY));
                System.err.println(kill);
                costs.add(kill);
            }
            killed.finish();
        }
        print(devices, costs);
        int strays = costs.stream()
                .mapToInt(kill -> kill.survivors() - kill.stayed())
                .sum();
        int wrong = told("lines of metrics that differ", differences().size())
                + told("exports that differ", Files.mismatch(export("peaceful"), export("killed")) < 0 ? 0 : 1)
                + told("survivors that did not stay in their processes", strays);
        return wrong == 0;
    }

    private static int told(String what, int count) {
        System.out.printf("%d %s%n", count, what);
        return count;
    }

    /** With the class path and the flags of this JVM, and attention that adds up in a fixed order. */
    private ProcessBuilder train(String name) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of(
                "-Dchorale.attention.deterministic=true",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "train",
                root.resolve("deploy/recipes/quickstart.conf").toString(),
                "--json",
                "--run-dir",
                folder.resolve(name).toString(),
                "run.steps=" + (kills + 1) * STEPS_BETWEEN,
                "checkpoint.every=" + CHECKPOINT_EVERY,
                "data.generate.train-rows=400",
                "data.generate.held-out-rows=8",
                "parallel.workers=" + workers));
        command.addAll(keys);
        return new ProcessBuilder(command);
    }

    private Path export(String name) {
        return folder.resolve(name).resolve("export/model.safetensors");
    }

    /** Numbers of the lines in which the runs differ. */
    private List<Integer> differences() throws IOException {
        List<JsonNode> peaceful = metrics("peaceful");
        List<JsonNode> killed = metrics("killed");
        int lines = Math.max(peaceful.size(), killed.size());
        List<Integer> differences = IntStream.range(0, lines)
                .filter(i -> i >= peaceful.size()
                        || i >= killed.size()
                        || !peaceful.get(i).equals(killed.get(i)))
                .boxed()
                .toList();
        differences.stream()
                .limit(1)
                .forEach(i -> System.out.printf(
                        "first difference: %s%n            and: %s%n",
                        i < peaceful.size() ? peaceful.get(i) : "nothing",
                        i < killed.size() ? killed.get(i) : "nothing"));
        return differences;
    }

    private List<JsonNode> metrics(String name) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve(name).resolve("metrics.jsonl"))) {
            lines.add(((ObjectNode) MAPPER.readTree(line)).retain(COMPARED));
        }
        return lines;
    }

    private void print(String devices, List<Kill> costs) {
        System.out.printf(Locale.ROOT, """
                %d workers on %s, %d of them killed in their steps

                | from a kill to the next step, ms | median | maximum |
                | --- | --- | --- |
                """, workers, devices, costs.size());
        row("the run says that a worker is lost", costs, Kill::noticed);
        row("all ranks have loaded", costs, Kill::regrouped);
        row("- of it: survivors have given up and freed all", costs, Kill::left);
        row("- of it: groups are formed", costs, Kill::joined);
        row("- of it: the checkpoint is read", costs, Kill::loaded);
        row("a step is recorded", costs, Kill::firstStep);
        row("together", costs, Kill::all);
        long[] reserved = costs.stream().mapToLong(Kill::reservedBytes).toArray();
        System.out.printf(
                Locale.ROOT,
                "%nOf a GPU's memory a process had at most %,d bytes after the first recovery, %,d after the last, %,d"
                        + " after any.%n%n",
                reserved[0],
                reserved[reserved.length - 1],
                Arrays.stream(reserved).max().orElseThrow());
    }

    private static void row(String what, List<Kill> costs, ToLongFunction<Kill> part) {
        double[] millis = costs.stream().mapToDouble(part::applyAsLong).toArray();
        System.out.printf(
                Locale.ROOT,
                "| %s | %.0f | %.0f |%n",
                what,
                Medians.median(millis),
                Arrays.stream(millis).max().orElseThrow());
    }
}

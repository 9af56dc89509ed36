// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * What a run costs beside its steps: the quickstart's training by a worker process under its coordinator, and by a worker
 * within the launcher's process, against a plain loop over the same batches without actors. They have blocks of steps in
 * turn, each stopped while another has its own, and what counts is the ratio of their speeds block by block. Then a run
 * whose messages between launcher and worker are counted.
 *
 * <p>Arguments: the repository's root, an empty folder, and the number of blocks. Prints Markdown.
 */
public final class ClusterBench {
    private static final int STEPS_PER_BLOCK = 50;
    private static final int COMPARED_STEPS = 150;

    /** Until the virtual machines, of which one contender has two, have compiled what they run. */
    private static final int WARM_UP_STEPS = 600;

    private static final int LOOP_BATCHES = 1000;
    private static final double LOSS_TOLERANCE = 1e-4;

    /** Counted runs of two lengths, so that what a run needs once does not count. */
    private static final int[] COUNTED_STEPS = {50, 250};

    /** Fewer messages per step are those of start and end, which the two runs have alike but for the moment. */
    private static final double WORTH_TELLING = 0.005;

    private static final List<String> RUN = List.of(
            "data.generate.held-out-rows=8",
            "optimizer.schedule=constant",
            "optimizer.warmup-steps=0",
            "optimizer.learning-rate=1e-4",
            "checkpoint.every=0");

    private final Path root;
    private final Path folder;

    private ClusterBench(Path root, Path folder) {
        this.root = root;
        this.folder = folder;
    }

    /** Runs and prints. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        ClusterBench bench = new ClusterBench(Path.of(arguments[0]), Path.of(arguments[1]));
        bench.measure(Integer.parseInt(arguments[2]));
        bench.count();
    }

    private void measure(int blocks) throws IOException, InterruptedException {
        try (Contender loop = Contender.start("plain loop", loop());
                Contender process = Contender.start("worker process", train("process", Integer.MAX_VALUE));
                Contender inProcess = Contender.start("in-process", train("in-process", Integer.MAX_VALUE))) {
            List<Contender> contenders = List.of(loop, process, inProcess);
            warmUp(contenders);
            double[][] speeds = new double[contenders.size()][blocks];
            for (int block = 0; block < blocks; block++) {
                for (int i = 0; i < contenders.size(); i++) {
                    speeds[i][block] = contenders.get(i).block(STEPS_PER_BLOCK);
                }
            }
            print(contenders, speeds);
        }
    }

    private static void warmUp(List<Contender> contenders) throws IOException, InterruptedException {
        List<Double> first = contenders.get(0).warmUp(WARM_UP_STEPS);
        for (Contender other : contenders.subList(1, contenders.size())) {
            List<Double> losses = other.warmUp(WARM_UP_STEPS);
            for (int i = 0; i < COMPARED_STEPS; i++) {
                double difference = Math.abs(losses.get(i) - first.get(i));
                if (!(difference < LOSS_TOLERANCE)) {
                    throw new IllegalStateException(
                            "%s does not train what the loop does: at step %d losses differ by %s"
                                    .formatted(other.name(), i + 1, difference));
                }
            }
        }
    }

    private static void print(List<Contender> contenders, double[][] speeds) {
        System.out.printf(Locale.ROOT, """
                | | tokens/s, median of %d blocks of %d steps | ratio to the plain loop, block by block | 95 %% interval |
                | --- | --- | --- | --- |
                """, speeds[0].length, STEPS_PER_BLOCK);
        for (int i = 0; i < contenders.size(); i++) {
            double[] own = speeds[i];
            double[] ratios = IntStream.range(0, own.length)
                    .mapToDouble(block -> own[block] / speeds[0][block])
                    .toArray();
            double[] interval = Medians.interval(ratios);
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %.0f | %.3f | %.3f to %.3f |%n",
                    contenders.get(i).name(),
                    Medians.median(own),
                    Medians.median(ratios),
                    interval[0],
                    interval[1]);
        }
        System.out.printf("%nThe intervals are of the medians, by resampling the blocks.%n");
    }

    private void count() throws IOException, InterruptedException {
        Map<String, Long> few = counted(COUNTED_STEPS[0]);
        Map<String, Long> many = counted(COUNTED_STEPS[1]);
        int steps = COUNTED_STEPS[1] - COUNTED_STEPS[0];
        System.out.printf("%n| the launcher | messages per step |%n| --- | --- |%n");
        double all = 0;
        for (Map.Entry<String, Long> counted : many.entrySet()) {
            double perStep = (counted.getValue() - few.getOrDefault(counted.getKey(), 0L)) / (double) steps;
            all += perStep;
            if (perStep >= WORTH_TELLING) {
                System.out.printf(Locale.ROOT, "| %s | %.2f |%n", counted.getKey(), perStep);
            }
        }
        System.out.printf(Locale.ROOT, "| all | %.2f |%n", all);
    }

    /** Of a run with a worker process, what the launcher has sent and received. */
    private Map<String, Long> counted(int steps) throws IOException, InterruptedException {
        Path file = folder.resolve("messages-" + steps);
        ProcessBuilder builder = train("process", steps);
        builder.environment().merge("CHORALE_JAVA_OPTS", counting(file), (given, more) -> given + " " + more);
        builder.environment()
                .put("CHORALE_CLASS_PATH", root.resolve("deploy/target/classes").toString());
        builder.redirectError(ProcessBuilder.Redirect.INHERIT).redirectOutput(ProcessBuilder.Redirect.DISCARD);
        if (builder.start().waitFor() != 0) {
            throw new IllegalStateException("the counted run has failed");
        }
        Map<String, Long> counts = new TreeMap<>();
        for (String line : Files.readAllLines(file)) {
            int end = line.lastIndexOf(' ');
            counts.put(line.substring(0, end), Long.parseLong(line.substring(end + 1)));
        }
        return counts;
    }

    private static String counting(Path file) {
        return "-D%s=%s -Dpekko.remote.artery.advanced.instruments.0=%s"
                .formatted(MessageCount.FILE, file, MessageCount.class.getName());
    }

    private ProcessBuilder train(String isolation, int steps) {
        List<String> command = new ArrayList<>(List.of(
                root.resolve("deploy/chorale").toString(),
                "train",
                recipe(),
                "--json",
                "--run-dir",
                folder.resolve(isolation + "-" + steps).toString(),
                "run.steps=" + steps,
                "parallel.isolation=" + isolation));
        command.addAll(RUN);
        return new ProcessBuilder(command);
    }

    /** With the flags of this JVM, which are the launcher's. */
    private ProcessBuilder loop() {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of(
                "-cp",
                System.getProperty("java.class.path"),
                PlainLoop.class.getName(),
                recipe(),
                folder.resolve("loop").toString(),
                Integer.toString(LOOP_BATCHES)));
        command.addAll(RUN);
        return new ProcessBuilder(command);
    }

    private String recipe() {
        return root.resolve("deploy/recipes/quickstart.conf").toString();
    }
}

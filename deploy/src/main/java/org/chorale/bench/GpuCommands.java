// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The commands by which several GPUs are measured.
 *
 * @param ranks GPUs, or processes that share one
 * @param folder absolute, for what commands write
 */
record GpuCommands(int ranks, RankDevices devices, Path folder) {
    private static final Duration STEPS_LIMIT = Duration.ofMinutes(22); // longer than RankStepBench waits
    private static final Duration CHECK_LIMIT = Duration.ofMinutes(16);
    private static final Duration KILLS_LIMIT = Duration.ofMinutes(20);
    private static final int KILLS = 20;
    private static final int STEPS = 5;

    /** A row of the table of speeds on all ranks. */
    BenchCommand row(String row, String... more) {
        return row(ranks, row, more);
    }

    /** Likewise on so many. */
    BenchCommand row(int gpus, String row, String... more) {
        List<String> words = new ArrayList<>(List.of("deploy/bench/gpu", row, "ranks=" + gpus));
        words.addAll(List.of(more));
        if (Arrays.stream(more).noneMatch(word -> word.startsWith("steps="))) {
            words.add("steps=" + STEPS);
        }
        if (devices != RankDevices.CUDA) {
            words.add("device=" + devices.word());
        }
        return new BenchCommand(words, log(words.subList(1, words.size())), STEPS_LIMIT);
    }

    /** A row that leaves a timeline, too; the first rank's is {@link #timeline}. */
    BenchCommand profiledRow(String row, String... more) {
        List<String> all = new ArrayList<>(List.of(more));
        all.add("profile=" + folder.resolve(row + ".json"));
        BenchCommand command = row(row, all.toArray(String[]::new));
        return new BenchCommand(command.words(), row + ".profile.log", command.limit());
    }

    /** What a profiled row has left of the first rank. */
    Path timeline(String row) {
        return folder.resolve(row + ".json.0");
    }

    /** A program that checks ranks. */
    BenchCommand check(String program) {
        List<String> words = new ArrayList<>(List.of("deploy/bench/ranks", program, Integer.toString(ranks)));
        if (devices != RankDevices.CUDA) {
            words.add(devices.word());
        }
        return new BenchCommand(words, program + ".log", CHECK_LIMIT);
    }

    /** Workers that are killed in their steps. */
    BenchCommand kills() {
        return new BenchCommand(
                List.of(
                        "deploy/bench/kills",
                        "workers=" + ranks,
                        "kills=" + KILLS,
                        "parallel.device=" + devices.word()),
                "kills.log",
                KILLS_LIMIT);
    }

    /** 200 steps on all ranks against one. */
    BenchCommand curves() {
        return new BenchCommand(
                List.of(
                        "deploy/bench/curves",
                        Integer.toString(ranks),
                        folder.toString(),
                        "parallel.device=" + devices.word()),
                "curves.log",
                CHECK_LIMIT);
    }

    /** The peer beside a row, where Python has what it needs. */
    BenchCommand peer(String row, String... more) {
        List<String> words = new ArrayList<>(List.of(
                "python3",
                "-m",
                "torch.distributed.run",
                "--nproc-per-node",
                Integer.toString(ranks),
                "deploy/bench/peers/fsdp2.py",
                row));
        words.addAll(List.of(more));
        return new BenchCommand(words, log(words.subList(5, words.size())), STEPS_LIMIT);
    }

    /** Ends well where Python has what a peer needs. */
    static BenchCommand python() {
        return new BenchCommand(
                List.of("python3", "-c", "import torch, transformers"), "python.log", Duration.ofMinutes(5));
    }

    private static String log(List<String> words) {
        return String.join(" ", words).replaceAll("[^A-Za-z0-9=-]+", "_") + ".log";
    }
}

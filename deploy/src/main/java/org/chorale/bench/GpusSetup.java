// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What a {@link GpusBench} measures.
 *
 * @param ranks GPUs, or processes that share one
 * @param only names of demands; all where it is empty
 * @param folder for what commands write; a new one where it is empty
 * @param dryRun whether commands are printed and not run
 */
record GpusSetup(int ranks, RankDevices devices, List<String> only, Optional<Path> folder, boolean dryRun) {
    private static final String USAGE =
            "usage: gpus [2 or 4] [--dry-run] [device=cuda, cuda-shared or cpu] [only=NAME,...] [folder=FOLDER]";

    GpusSetup {
        only = List.copyOf(only);
    }

    /** @throws IllegalArgumentException with all that is wrong, a line each */
    static GpusSetup parse(List<String> arguments) {
        List<String> problems = new ArrayList<>();
        int ranks = 2;
        RankDevices devices = RankDevices.CUDA;
        List<String> only = List.of();
        Optional<Path> folder = Optional.empty();
        boolean dryRun = false;
        for (String argument : arguments) {
            String value = argument.substring(argument.indexOf('=') + 1);
            if (argument.equals("2") || argument.equals("4")) {
                ranks = Integer.parseInt(argument);
            } else if (argument.equals("--dry-run")) {
                dryRun = true;
            } else if (argument.startsWith("device=") && device(value).isPresent()) {
                devices = device(value).get();
            } else if (argument.startsWith("only=")) {
                only = List.of(value.split(",", -1));
            } else if (argument.startsWith("folder=") && !value.isEmpty()) {
                folder = Optional.of(Path.of(value));
            } else {
                problems.add(argument + ": " + USAGE);
            }
        }
        GpusSetup setup = new GpusSetup(ranks, devices, only, folder, dryRun);
        problems.addAll(setup.unknown());
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
        return setup;
    }

    private static Optional<RankDevices> device(String word) {
        return Arrays.stream(RankDevices.values())
                .filter(devices -> devices.word().equals(word))
                .findFirst();
    }

    private List<String> unknown() {
        List<String> names =
                all(Path.of("FOLDER")).stream().map(GpuDemand::name).distinct().toList();
        return only.stream()
                .filter(name -> !names.contains(name))
                .map(name -> "only=%s: there is no such row on %d ranks with device=%s: must be some of %s"
                        .formatted(name, ranks, devices.word(), String.join(",", names)))
                .toList();
    }

    /** In order. */
    List<GpuDemand> demands(Path files) {
        return all(files).stream()
                .filter(demand -> only.isEmpty() || only.contains(demand.name()))
                .toList();
    }

    private List<GpuDemand> all(Path files) {
        return GpuDemands.of(new GpuCommands(ranks, devices, files));
    }
}

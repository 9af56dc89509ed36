// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.chorale.tensor.collective.Collectives;
import org.chorale.training.shard.Gathering;

/**
 * One rank of a {@link GpuStepBench} on several GPUs, which hold one copy of the model between them, or several. A
 * profile's file has the rank behind its name.
 */
public final class RankStepBench {
    private static final long MINUTES = 20;

    private RankStepBench() {}

    /**
     * Starts the ranks, and waits for their end.
     *
     * @return the exit code
     */
    static int startAll(BenchSetup setup, String[] arguments) throws IOException, InterruptedException {
        List<Process> processes = new ArrayList<>();
        List<String> all = List.of(arguments);
        try (RankProcesses ranks = new RankProcesses(RankStepBench.class, setup.ranks(), RankDevices.among(all), all)) {
            for (int rank = 0; rank < setup.ranks(); rank++) {
                processes.add(ranks.start(rank));
            }
            return RankProcesses.await(processes, MINUTES);
        }
    }

    /** What {@link RankProcesses} puts first, and the arguments of the bench. */
    public static void main(String[] arguments) throws IOException {
        List<String> own = new ArrayList<>(Arrays.asList(arguments).subList(RankPlace.ARGUMENTS, arguments.length));
        RankPlace place = RankPlace.of(arguments, RankDevices.among(own));
        place.device().bind();
        Provenance provenance = Provenance.of(place.device(), own.toArray(String[]::new));
        own.add("device=" + place.device());
        own.replaceAll(argument -> argument.startsWith("profile=") ? argument + "." + place.rank() : argument);
        BenchSetup setup = BenchSetup.parse(own.toArray(String[]::new));
        try (Collectives world = place.join("world");
                ModelCopies copies = ModelCopies.of(world, "model", setup.copies(), Gathering.PER_USE)) {
            GpuStepBench.run(setup, copies.ranks(), provenance, place.rank() == 0 ? System.out : nowhere());
            world.barrier().await();
        }
        System.exit(0);
    }

    private static PrintStream nowhere() {
        return new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives.Pending;
import org.chorale.tensor.collective.Collectives.Reduction;

/** Prints what this process holds before and after five hundred rounds of six operations, or fifty groups, after half as many. */
final class MemoryProbe {
    private static final int RANKS = 3;
    private static final int ROUNDS = 500;
    private static final int GROUPS = 50;

    private MemoryProbe() {}

    /** @param args "rounds" or "groups", and "leak" to keep a tensor each time */
    public static void main(String[] args) throws IOException {
        boolean leak = args[1].equals("leak");
        boolean rounds = args[0].equals("rounds");
        work(rounds, 0.5, leak);
        long[] before = held();
        work(rounds, 1, leak);
        long[] after = held();
        List<String> names = List.of("references", "rssAnonKilobytes", "descriptors", "threads");
        for (int i = 0; i < names.size(); i++) {
            System.out.println(names.get(i) + " " + before[i] + " " + after[i]);
        }
    }

    private static void work(boolean rounds, double share, boolean leak) {
        if (rounds) {
            RankThreads.run(RANKS, group -> {
                for (int i = 0; i < ROUNDS * share; i++) {
                    round(group, leak);
                }
            });
        } else {
            for (int i = 0; i < GROUPS * share; i++) {
                RankThreads.run(RANKS, group -> {
                    try (Collectives pair =
                            group.rank() < 2 ? group.subgroup("pair", List.of(0, 1)) : new SingleRank()) {
                        round(pair, leak);
                    }
                    if (group.rank() == 0) {
                        group.abort();
                    }
                });
            }
        }
    }

    private static void round(Collectives group, boolean leak) {
        try (TensorScope scope = new TensorScope()) {
            Tensor part = HostTensors.zeros(ScalarType.Float, 5_000);
            Tensor whole = HostTensors.zeros(ScalarType.Float, 5_000L * group.worldSize());
            List.of(
                            group.allGather(whole, part),
                            group.reduceScatter(part, whole),
                            group.allReduce(whole, Reduction.SUM),
                            group.allReduce(HostTensors.zeros(ScalarType.Double, 8), Reduction.MAX),
                            group.broadcast(part, 0),
                            group.barrier())
                    .forEach(Pending::await);
            if (leak) {
                NativeMemory.retain(part);
            }
        }
    }

    private static long[] held() throws IOException {
        long resident = Files.readAllLines(Path.of("/proc/self/status"), StandardCharsets.UTF_8).stream()
                .filter(line -> line.startsWith("RssAnon:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .findFirst()
                .orElseThrow();
        return new long[] {NativeMemory.liveReferences(), resident, count("/proc/self/fd"), count("/proc/self/task")};
    }

    private static int count(String folder) {
        return Objects.requireNonNull(new File(folder).list()).length;
    }
}

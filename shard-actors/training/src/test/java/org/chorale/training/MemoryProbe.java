// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.model.ModelFolder;
import org.chorale.model.layer.RecomputePlan;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.TensorScope;
import org.chorale.training.optimizer.AdamW;
import org.chorale.training.shard.ModelShard;

/**
 * Trains a tiny model for a thousand steps in a process of its own and prints what it holds after step 10 and at the
 * end: {@code references <n> <n>} and {@code rssAnonKilobytes <n> <n>}.
 *
 * <p>Arguments: a folder for the model, and a leak of 4 KB a step to plant: none, held (an owner that never closes) or
 * stray (made outside every scope).
 */
final class MemoryProbe {
    private static final int FIRST = 10;
    private static final int LAST = 1_000;

    /** Steps of a run before the measured one, after which Java's compiler has little left to do. */
    private static final int COMPILED = 300;

    private static final int LEAK_FLOATS = 1_024;

    private MemoryProbe() {}

    public static void main(String[] arguments) throws IOException {
        String leak = arguments[1];
        List<Tensor> strays = new ArrayList<>();
        try (ModelFolder folder = TinyModel.folder(Path.of(arguments[0]), false);
                ModelShard shard = TinyModel.shard(folder);
                AdamW optimizer = new AdamW(TinyModel.OPTIMIZER, shard.groups());
                HeldTensors forgotten = new HeldTensors()) {
            shard.model().recompute(new RecomputePlan(1, 2));
            TrainStep step = new TrainStep(shard, optimizer, 1);
            long[] references = new long[2];
            long[] rssAnon = new long[2];
            for (int i = 1; i <= COMPILED; i++) {
                step.run(List.of(TinyModel.batch(i, 1 + i % 5, 16)), 1e-3);
            }
            for (int i = 1; i <= LAST; i++) {
                step.run(List.of(TinyModel.batch(i, 1 + i % 5, 16)), 1e-3);
                plant(leak, forgotten, strays);
                if (i == FIRST || i == LAST) {
                    references[i / LAST] = NativeMemory.liveReferences();
                    rssAnon[i / LAST] = rssAnonKilobytes();
                }
            }
            System.out.printf("references %d %d%n", references[0], references[1]);
            System.out.printf("rssAnonKilobytes %d %d%n", rssAnon[0], rssAnon[1]);
        }
    }

    private static void plant(String leak, HeldTensors forgotten, List<Tensor> strays) {
        switch (leak) {
            case "none" -> {}
            case "held" -> {
                try (TensorScope scope = new TensorScope()) {
                    forgotten.hold(HostTensors.zeros(ScalarType.Float, LEAK_FLOATS));
                }
            }
            case "stray" -> strays.add(HostTensors.zeros(ScalarType.Float, LEAK_FLOATS));
            default -> throw new IllegalArgumentException(leak);
        }
    }

    private static long rssAnonKilobytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("RssAnon:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .sum();
    }
}

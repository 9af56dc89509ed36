// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.chorale.model.ModelFolder;
import org.chorale.tensor.device.Device;
import org.chorale.training.checkpoint.CheckpointWeights;
import org.chorale.training.checkpoint.CheckpointWriter;
import org.chorale.training.checkpoint.ModelExport;
import org.chorale.training.checkpoint.RankState;
import org.chorale.training.checkpoint.StoredFile;
import org.chorale.training.optimizer.LossScale;
import org.chorale.training.optimizer.Optimizer;
import org.chorale.training.optimizer.OptimizerConfig;
import org.chorale.training.optimizer.OptimizerConfig.Algorithm;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.Precision;

/**
 * Prints how far the anonymous memory of a process of its own grows: {@code load FOLDER RANK RANKS} while a rank loads its
 * part of a model, {@code export FOLDER RANKS} while the checkpoint of that many ranks is exported.
 */
final class PartProbe {
    private PartProbe() {}

    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[1]);
        warmUp(folder);
        if (arguments[0].equals("load")) {
            load(folder, Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]));
        } else {
            export(folder, Integer.parseInt(arguments[2]));
        }
    }

    /** So that libraries are loaded and their first allocations done. */
    private static void warmUp(Path folder) throws IOException {
        Path tiny = Files.createDirectories(folder.resolve("tiny"));
        try (ModelFolder model = TinyModel.folder(tiny, false);
                ModelShard shard = shard(model, 0, 2)) {
            shard.load(model);
        }
    }

    private static void load(Path folder, int rank, int ranks) {
        long before = PeakMemory.rssAnonKilobytes();
        try (PeakMemory peak = new PeakMemory();
                ModelFolder model = ModelFolder.pretrained(folder);
                ModelShard shard = shard(model, rank, ranks)) {
            shard.load(model);
            print("mapped", PeakMemory.mappedKilobytes(folder.resolve("model.safetensors")));
            print("peak", peak.peakKilobytes() - before);
            print("parameter", shard.parameterBytes() / 1024);
        }
    }

    private static void export(Path folder, int ranks) {
        try (ModelFolder model = ModelFolder.pretrained(folder)) {
            List<StoredFile> checkpoint = write(model, folder, ranks);
            long before = PeakMemory.rssAnonKilobytes();
            try (PeakMemory peak = new PeakMemory();
                    CheckpointWeights weights = CheckpointWeights.open(checkpoint)) {
                ModelExport.of(model, weights, folder).writeModel(Optional.empty(), folder.resolve("export"));
                print("peak", peak.peakKilobytes() - before);
            }
        }
    }

    private static List<StoredFile> write(ModelFolder model, Path folder, int ranks) {
        List<StoredFile> written = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            Path file = folder.resolve("rank-%05d.safetensors".formatted(rank));
            try (ModelShard shard = shard(model, rank, ranks);
                    Optimizer optimizer = Optimizer.of(sgd(), shard.groups());
                    LossScale lossScale = LossScale.none()) {
                RankState state = new RankState(model, shard, optimizer, lossScale);
                written.add(new StoredFile(
                        file, CheckpointWriter.write(file, state, 0).boxes()));
            }
        }
        return written;
    }

    private static OptimizerConfig sgd() {
        return new OptimizerConfig(
                Algorithm.SGD,
                1,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                0,
                1,
                Optional.empty(),
                List.of());
    }

    private static ModelShard shard(ModelFolder model, int rank, int ranks) {
        return new ModelShard(
                Parts.layout(model.units(), Precision.FP32, rank, ranks), Parts.groups(rank, ranks), Device.CPU);
    }

    private static void print(String what, long kilobytes) {
        System.out.println(what + "Kilobytes " + kilobytes);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.pytorch.Tensor;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.tensor.safetensors.TensorSpec;
import org.chorale.training.shard.FlatGroup;

/** Reads back what {@link CheckpointWriter} wrote, bit for bit. */
public final class CheckpointReader {
    private static final String NOTHING = "nothing";

    private CheckpointReader() {}

    /**
     * Restores what is trained and its state, and loads what is not trained from the model folder.
     *
     * @param file of this rank, in a committed checkpoint
     * @return optimizer steps done
     * @throws InvalidModelException where the file is of another run: another optimizer, precision or base, or other
     *     parameters that are trained
     * @throws RuntimeException where the file is malformed
     */
    public static long restore(Path file, RankState state) {
        try (SafetensorsFile stored = SafetensorsFile.open(file);
                TensorScope scope = new TensorScope()) {
            Map<String, Tensor> tensors = state.tensors();
            refuseAnotherRun(stored, state, tensors);
            state.shard().loadFrozen(state.source());
            tensors.forEach((key, tensor) -> tensor.copy_(stored.tensor(key)));
            state.shard().groups().forEach(FlatGroup::refresh);
            String step = stored.metadata().get(CheckpointWriter.STEP);
            return Long.parseLong(Objects.requireNonNull(step, () -> file + ": its metadata has no step"));
        }
    }

    private static void refuseAnotherRun(SafetensorsFile stored, RankState state, Map<String, Tensor> tensors) {
        Map<String, String> now = state.identity();
        List<String> problems = new ArrayList<>();
        for (String key : List.of(RankState.OPTIMIZER, RankState.PRECISION, RankState.BASE)) {
            String then = stored.metadata().getOrDefault(key, NOTHING);
            String asked = now.getOrDefault(key, NOTHING);
            if (!then.equals(asked)) {
                problems.add(difference(key, then, asked));
            }
        }
        if (problems.isEmpty()) { // else the tensors differ because of that
            compareTensors(stored, tensors, problems);
        }
        if (!problems.isEmpty()) {
            throw new InvalidModelException(
                    Reason.MISMATCH,
                    stored.header().file(),
                    "is a checkpoint of another run:\n  " + String.join("\n  ", problems));
        }
    }

    private static String difference(String key, String then, String asked) {
        return switch (key) {
            case RankState.OPTIMIZER -> "optimizer.type: it was written with %s, now it is %s".formatted(then, asked);
            case RankState.PRECISION -> "precision: it was written with %s, now it is %s".formatted(then, asked);
            default ->
                "model.path: parameters that are not trained came from a folder with fingerprint %s, now it is %s"
                        .formatted(then, asked);
        };
    }

    private static void compareTensors(SafetensorsFile stored, Map<String, Tensor> tensors, List<String> problems) {
        Set<String> others = new TreeSet<>();
        stored.entries().stream()
                .map(TensorEntry::name)
                .filter(name -> !tensors.containsKey(name))
                .forEach(others::add);
        others.forEach(name -> problems.add(name + ": it was trained then, and is not now"));
        tensors.forEach((name, tensor) -> {
            TensorSpec wanted = TensorSpec.of(name, tensor);
            boolean found = stored.header().find(name).isPresent();
            if (!found) {
                problems.add(name + ": it is trained now, and was not then");
            } else if (!isAs(stored.entry(name), wanted)) {
                TensorEntry entry = stored.entry(name);
                problems.add("%s: it was %s %s, now it is %s %s"
                        .formatted(name, entry.dtype(), entry.shape(), wanted.dtype(), wanted.shape()));
            }
        });
    }

    private static boolean isAs(TensorEntry entry, TensorSpec wanted) {
        return entry.dtype() == wanted.dtype() && entry.shape().equals(wanted.shape());
    }
}

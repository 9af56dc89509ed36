// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.outline.InvalidModelException;
import org.chorale.model.outline.InvalidModelException.Reason;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.InvalidFileException;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.TensorEntry;
import org.chorale.tensor.safetensors.TensorSpec;
import org.chorale.training.shard.FlatGroup;

/**
 * Reads back what {@link CheckpointWriter} wrote, bit for bit, whatever ranks there were then and are now: a rank copies
 * the boxes as far as they lie in its part, and reads nothing else of the files.
 */
public final class CheckpointReader {
    private static final String NOTHING = "nothing";

    private final CheckpointFiles files;
    private final RankState state;
    private final Problems problems = new Problems();

    private CheckpointReader(CheckpointFiles files, RankState state) {
        this.files = files;
        this.state = state;
    }

    /**
     * Restores what is trained and its state, and loads what is not trained from the model folder. Either all of that
     * happens, or the state is as it was.
     *
     * @param stored all files of a committed checkpoint
     * @return optimizer steps done
     * @throws InvalidModelException where the checkpoint is of another run: another optimizer, precision or base, or other
     *     parameters that are trained
     * @throws InvalidFileException where files are malformed or do not make up a whole checkpoint
     */
    public static long restore(List<StoredFile> stored, RankState state) {
        try (CheckpointFiles files = CheckpointFiles.open(stored);
                TensorScope scope = new TensorScope()) {
            CheckpointReader reader = new CheckpointReader(files, state);
            reader.refuseAnotherRun();
            long step = reader.step();
            reader.copy();
            return step;
        }
    }

    private void refuseAnotherRun() {
        compareIdentity();
        if (problems.isEmpty()) { // else the tensors differ because of that
            compareParameters();
            for (int rank = 0; rank < files.files().size(); rank++) {
                compareCounters(files.files().get(rank), files.counters(rank));
            }
        }
        if (!problems.isEmpty()) {
            throw new InvalidModelException(
                    Reason.MISMATCH, files.folder(), "is a checkpoint of another run:" + problems.text());
        }
    }

    private void compareIdentity() {
        Map<String, String> now = state.identity();
        for (String key : List.of(RankState.OPTIMIZER, RankState.PRECISION, RankState.BASE)) {
            String then = files.metadata().getOrDefault(key, NOTHING);
            String asked = now.getOrDefault(key, NOTHING);
            if (!then.equals(asked)) {
                problems.add(difference(key), then, asked);
            }
        }
    }

    private static String difference(String key) {
        return switch (key) {
            case RankState.OPTIMIZER -> "optimizer.type: it was written with %s, now it is %s";
            case RankState.PRECISION -> "precision: it was written with %s, now it is %s";
            default ->
                "model.path: parameters that are not trained came from a folder with fingerprint %s, now it is %s";
        };
    }

    /** Whole parameters, whatever this rank holds of them: all ranks come to the same conclusion. */
    private void compareParameters() {
        Map<String, List<Long>> wanted = state.shapes();
        Set<String> others = new TreeSet<>(files.values().keySet());
        others.removeAll(wanted.keySet());
        others.forEach(key -> problems.add("%s: it was trained then, and is not now", key));
        wanted.forEach((key, shape) -> {
            StoredValues found = files.values().get(key);
            if (found == null) {
                problems.add("%s: it is trained now, and was not then", key);
            } else if (found.dtype() != state.dtype() || !found.shape().equals(shape)) {
                problems.add(
                        "%s: it was %s %s, now it is %s %s", key, found.dtype(), found.shape(), state.dtype(), shape);
            }
        });
    }

    private void compareCounters(SafetensorsFile file, Set<String> stored) {
        Map<String, Tensor> wanted = state.counters();
        Path name = file.header().file().getFileName();
        Set<String> others = new TreeSet<>(stored);
        others.removeAll(wanted.keySet());
        others.forEach(key -> problems.add("%s: %s: this run has no such state", name, key));
        wanted.forEach((key, counter) -> {
            TensorSpec spec = TensorSpec.of(key, counter);
            TensorEntry entry = file.header().find(key).orElse(null);
            if (entry == null) {
                problems.add("%s: %s: is missing", name, key);
            } else if (entry.dtype() != spec.dtype() || !entry.shape().equals(spec.shape())) {
                problems.add(
                        "%s: %s: it was %s %s, now it is %s %s",
                        name, key, entry.dtype(), entry.shape(), spec.dtype(), spec.shape());
            } else if (problems.isEmpty()
                    && !torch.equal(
                            file.tensor(key), files.files().get(0).tensor(key))) { // the first was found to have it
                problems.add("%s: %s: is not what it is in the first rank's file", name, key);
            }
        });
    }

    private long step() {
        String step = files.metadata().getOrDefault(RankState.STEP, NOTHING);
        if (!step.matches("\\d{1,18}")) {
            throw new InvalidFileException(files.folder(), "the files' metadata has step = " + step);
        }
        return Long.parseLong(step);
    }

    private void copy() {
        state.shard().loadFrozen(state.source());
        state.forEachSlice(
                (kind, slice, part) -> files.values(kind, slice.segment().parameter())
                        .copyInto(slice.from(), slice.until(), part.narrow(0, slice.at(), slice.elements())));
        SafetensorsFile first = files.files().get(0);
        state.counters().forEach((key, counter) -> counter.copy_(first.tensor(key)));
        state.shard().groups().forEach(FlatGroup::refresh);
    }
}

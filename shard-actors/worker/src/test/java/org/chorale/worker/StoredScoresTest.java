// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.DoubleBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.chorale.model.outline.UnitOutline;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.SequenceRole;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.reference.LogProbabilities;
import org.chorale.proto.reference.LogProbabilitiesWriter;
import org.chorale.proto.reference.SequenceKey;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.chorale.training.MicroBatch;
import org.chorale.training.pipeline.LocalComponents;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run's reference in a file: made by the reference alone, and found by what the sequences are. */
final class StoredScoresTest {
    private static final long PADDING = Batch.IGNORED;

    @TempDir
    private Path directory;

    @BeforeEach
    void write() throws IOException {
        Examples.writeModel(directory);
    }

    @Test
    void whatTheReferenceFoundIsFoundAgainWhateverThePadding() throws IOException {
        SortedMap<SequenceKey, Double> values = computed(pair(4));
        assertThat(values).hasSize(2);
        double[] found = found(stored(values), MicroBatches.of(pair(6)).get(0));
        assertThat(Arrays.stream(found).max().orElseThrow()).isNegative();
        assertThat(values.values()).containsExactlyInAnyOrder(found[0], found[1]);
    }

    @Test
    void whatIsKnownIsNotComputedAgain() {
        SortedMap<SequenceKey, Double> values = new TreeMap<>();
        values.put(key(0), -1.0);
        values.put(key(1), -2.0);
        try (ReferencePrecomputation reference = ReferencePrecomputation.open(runConf(""))) {
            assertThat(reference.add(pair(4), values)).isZero();
        }
        assertThat(values.values()).containsExactlyInAnyOrder(-1.0, -2.0);
    }

    @Test
    void whatNoLabelCountsOfIsZeroAndNotAskedFor() throws IOException {
        StoredScores nothing = stored(new TreeMap<>());
        MicroBatch empty = MicroBatch.rightPadded(2, 2, new long[] {1, 2, 3, 4}, new long[] {-100, -100, -100, -100});
        assertThat(found(nothing, empty)).containsExactly(0, 0);
        assertThat(found(nothing, MicroBatch.rightPadded(0, 3, new long[0], new long[0])))
                .isEmpty();
    }

    @Test
    void aSequenceThatTheFileHasNotIsToldByItsExampleAndPlaceInIt() throws IOException {
        SortedMap<SequenceKey, Double> values = computed(pair(4));
        values.remove(key(1));
        StoredScores scores = stored(values);
        MicroBatch batch = MicroBatches.of(pair(4)).get(0);
        assertThatThrownBy(() -> found(scores, batch))
                .hasMessageContainingAll(
                        "loss.preference.precomputed = " + file(),
                        "has no log-probability of example 7, rejected",
                        "chorale precompute adds what is missing");
    }

    @Test
    void aRunWithAFileHoldsNothingTwice() throws IOException {
        stored(computed(pair(4)));
        String precomputed = "loss.preference.precomputed = \"" + file() + "\"";
        assertThat(units("")).anyMatch(unit -> unit.startsWith("reference."));
        assertThat(units(precomputed)).isNotEmpty().noneMatch(unit -> unit.startsWith("reference."));
        assertThatThrownBy(() -> units(precomputed + "\nprecision = bf16"))
                .hasMessageContaining("was computed by another reference (precision is fp32 there, bf16 here)");
    }

    private List<String> units(String more) {
        try (RunModel model = RunModel.open(runConf(more), LocalComponents.none())) {
            return model.source().units().stream().map(UnitOutline::name).toList();
        }
    }

    private SortedMap<SequenceKey, Double> computed(StepBatch batch) {
        SortedMap<SequenceKey, Double> values = new TreeMap<>();
        try (ReferencePrecomputation reference = ReferencePrecomputation.open(runConf(""))) {
            assertThat(reference.add(batch, values)).isEqualTo(values.size());
        }
        return values;
    }

    private StoredScores stored(SortedMap<SequenceKey, Double> values) throws IOException {
        try (OutputStream out = Files.newOutputStream(file());
                ReferencePrecomputation reference = ReferencePrecomputation.open(runConf(""))) {
            LogProbabilitiesWriter.write(out, Map.copyOf(reference.origin()), values);
        }
        return new StoredScores(file(), LogProbabilities.open(file()), Device.CPU);
    }

    private static double[] found(StoredScores scores, MicroBatch batch) {
        try (TensorScope scope = new TensorScope()) {
            double[] found = new double[batch.sequences()];
            if (found.length > 0) {
                scores.of(batch).<DoubleBuffer>createBuffer().get(found);
            }
            return found;
        }
    }

    private static SequenceKey key(int sequence) {
        return StoredScores.key(MicroBatches.of(pair(4)).get(0), sequence);
    }

    /** One example: 1 2 3 and 1 2 5 6, whose prompt is 1. */
    private static StepBatch pair(int width) {
        long[] tokens = new long[2 * width];
        long[] labels = new long[2 * width];
        Arrays.fill(labels, PADDING);
        long[][] rows = {{1, 2, 3}, {1, 2, 5, 6}};
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(rows[row], 0, tokens, row * width, rows[row].length);
            System.arraycopy(rows[row], 1, labels, row * width + 1, rows[row].length - 1);
        }
        Batch batch = new Batch(List.of(
                Column.ofLongs(Batch.TOKENS, tokens, 2, width),
                Column.ofLongs(Batch.LABELS, labels, 2, width),
                Column.ofLongs(Batch.LENGTHS, new long[] {3, 4}, 2),
                Column.ofLongs(Batch.EXAMPLES, new long[] {0, 0}, 2),
                Column.ofLongs(Batch.ROLES, new long[] {SequenceRole.CHOSEN.code(), SequenceRole.REJECTED.code()}, 2)));
        return new StepBatch(Feed.TRAIN, 1, 0.5, new long[] {7}, 7, 0, List.of(batch), false);
    }

    private Path file() {
        return directory.resolve("reference.logps");
    }

    private String runConf(String more) {
        return Examples.runConf(directory, "fp32", "1 second", "loss.preference.type = dpo\n" + more);
    }
}

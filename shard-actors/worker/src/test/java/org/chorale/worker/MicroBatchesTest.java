// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.LongStream;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.Column;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.training.MicroBatch;
import org.chorale.training.MicroBatch.Role;
import org.junit.jupiter.api.Test;

/** What a rank's batch becomes for the train step. */
final class MicroBatchesTest {
    @Test
    void eachSequenceIsKeyedByItsFirstExampleAndEmptyMicroBatchesPassThrough() {
        StepBatch step = new StepBatch(
                Feed.TRAIN,
                1,
                0.5,
                new long[] {40, 41, 42, 43},
                7,
                0,
                List.of(packed(2, 3, 0, 0, 1, 0, 1, -1), packed(0, 1)),
                false);
        List<MicroBatch> microBatches = MicroBatches.of(step);
        assertThat(microBatches).extracting(MicroBatch::sequences).containsExactly(2, 0);
        assertThat(microBatches.get(0).samples()).containsExactly(40, 42);
        assertThat(microBatches.get(1).samples()).isEmpty();
        assertThat(microBatches.get(1).predictingRows()).isEmpty();
    }

    @Test
    void numbersKeepTheirFieldsAndSamples() {
        Batch batch = new Batch(List.of(
                Column.ofFloats("mass", new float[] {7, 8}, 2, 1),
                Column.ofFloats("point", new float[] {1, 2, 3, 4}, 2, 2)));
        Batch none = new Batch(List.of(Column.ofFloats("point", new float[0], 0, 2)));
        List<MicroBatch> microBatches = MicroBatches.of(
                new StepBatch(Feed.TRAIN, 1, 0.5, new long[] {40, 41}, 0, 0, List.of(batch, none), false));

        MicroBatch first = microBatches.get(0);
        assertThat(first.samples()).containsExactly(40, 41);
        assertThat(first.numbers()).extracting(MicroBatch.Numbers::name).containsExactly("mass", "point");
        assertThat(first.numbers().get(1).values()).containsExactly(1, 2, 3, 4);
        assertThat(first.predictingRows()).isEmpty();
        assertThat(microBatches.get(1).sequences()).isZero();
    }

    @Test
    void bothSequencesOfAPreferenceAreKeyedByItsExampleAndKeepTheirRoles() {
        StepBatch step = new StepBatch(
                Feed.TRAIN,
                1,
                0.5,
                new long[] {40, 41, 42},
                7,
                0,
                List.of(preferences(0, 0, 1, 1), preferences(0, 0)),
                false);
        List<MicroBatch> microBatches = MicroBatches.of(step);
        assertThat(microBatches.get(0).samples()).containsExactly(40, 40, 41, 41);
        assertThat(microBatches.get(1).samples()).containsExactly(42, 42);
        assertThat(microBatches.get(1).roles()).containsExactly(Role.CHOSEN, Role.REJECTED);
    }

    private static Batch preferences(long... examples) {
        int sequences = examples.length;
        long[] roles = LongStream.range(0, sequences).map(i -> i % 2).toArray();
        return new Batch(List.of(
                Column.ofLongs(Batch.TOKENS, new long[sequences], sequences, 1),
                Column.ofLongs(Batch.LABELS, new long[sequences], sequences, 1),
                Column.ofLongs(Batch.LENGTHS, new long[sequences], sequences),
                Column.ofLongs(Batch.EXAMPLES, examples, sequences),
                Column.ofLongs(Batch.ROLES, roles, sequences)));
    }

    /** @param documents of each place, row by row */
    private static Batch packed(int sequences, int width, long... documents) {
        long[] zeros = new long[documents.length];
        return new Batch(List.of(
                Column.ofLongs(Batch.TOKENS, zeros, sequences, width),
                Column.ofLongs(Batch.LABELS, zeros, sequences, width),
                Column.ofLongs(Batch.LENGTHS, new long[sequences], sequences),
                Column.ofLongs(Batch.POSITIONS, zeros, sequences, width),
                Column.ofLongs(Batch.DOCUMENTS, documents, sequences, width)));
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.chorale.proto.batch.Batch;
import org.chorale.proto.batch.SequenceRole;
import org.chorale.proto.batch.StepBatch;
import org.chorale.training.MicroBatch;
import org.chorale.training.MicroBatch.Numbers;
import org.chorale.training.MicroBatch.Packing;
import org.chorale.training.MicroBatch.Role;

/** A rank's batch as the train step takes it. */
final class MicroBatches {
    private MicroBatches() {}

    /** Each sequence is keyed by its example, a packed one by its first; both sequences of a preference by theirs. */
    static List<MicroBatch> of(StepBatch step) {
        List<MicroBatch> microBatches = new ArrayList<>();
        int begun = 0; // examples of the sequences so far
        for (Batch batch : step.microBatches()) {
            MicroBatch microBatch = of(batch);
            long[] samples = new long[microBatch.sequences()];
            if (batch.has(Batch.EXAMPLES)) {
                long[] numbers = batch.column(Batch.EXAMPLES).longs();
                for (int sequence = 0; sequence < samples.length; sequence++) {
                    samples[sequence] = step.samples()[begun + (int) numbers[sequence]];
                }
                begun += (int) LongStream.of(numbers).distinct().count();
            } else {
                for (int sequence = 0; sequence < samples.length; sequence++) {
                    samples[sequence] = step.samples()[begun];
                    begun += examples(microBatch, sequence);
                }
            }
            microBatches.add(microBatch.withSamples(samples));
        }
        return microBatches;
    }

    private static MicroBatch of(Batch batch) {
        return batch.has(Batch.TOKENS) ? ofTokens(batch) : ofNumbers(batch);
    }

    /** Every column is a field, [B, N] fp32. */
    private static MicroBatch ofNumbers(Batch batch) {
        long examples = batch.columns().get(0).shape()[0];
        return MicroBatch.ofNumbers(
                (int) examples,
                batch.columns().stream()
                        .map(column -> new Numbers(column.name(), (int) column.shape()[1], column.floats()))
                        .toList());
    }

    private static MicroBatch ofTokens(Batch batch) {
        long[] shape = batch.column(Batch.TOKENS).shape();
        Packing packing = batch.has(Batch.DOCUMENTS)
                ? new Packing(
                        batch.column(Batch.POSITIONS).longs(),
                        batch.column(Batch.DOCUMENTS).longs())
                : null;
        List<Role> roles = batch.has(Batch.ROLES)
                ? LongStream.of(batch.column(Batch.ROLES).longs())
                        .mapToObj(code -> role(SequenceRole.of(code)))
                        .toList()
                : List.of();
        return new MicroBatch(
                        (int) shape[0],
                        (int) shape[1],
                        batch.column(Batch.TOKENS).longs(),
                        batch.column(Batch.LABELS).longs(),
                        null,
                        packing)
                .withLengths(batch.column(Batch.LENGTHS).longs())
                .withRoles(roles);
    }

    private static Role role(SequenceRole role) {
        return switch (role) {
            case CHOSEN -> Role.CHOSEN;
            case REJECTED -> Role.REJECTED;
            case DESIRABLE -> Role.DESIRABLE;
            case UNDESIRABLE -> Role.UNDESIRABLE;
            case MISMATCHED -> Role.MISMATCHED;
        };
    }

    /** In a sequence; documents are numbered from 0. */
    private static int examples(MicroBatch microBatch, int sequence) {
        Packing packing = microBatch.packing();
        if (packing == null) {
            return 1;
        }
        int begin = sequence * microBatch.width();
        long last = Arrays.stream(packing.documents(), begin, begin + microBatch.width())
                .max()
                .orElse(-1);
        return (int) last + 1;
    }
}

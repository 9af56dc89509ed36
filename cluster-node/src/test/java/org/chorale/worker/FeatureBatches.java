// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.chorale.training.MicroBatch;
import org.chorale.training.MicroBatch.Packing;
import org.chorale.training.MicroBatch.Role;
import org.chorale.training.preference.PreferenceConfig;
import org.jspecify.annotations.Nullable;

/**
 * A run's batches, which are few and short: padded on the right, packed with two documents each, or of preferences.
 *
 * @param packed whether sequences hold several documents
 */
record FeatureBatches(PreferenceConfig preference, boolean packed) {
    private static final int WIDTH = 9;
    private static final int VOCABULARY = 199;
    private static final int PROMPT = 2;

    /** A rank's neighbouring examples of a step, in as many micro-batches as every rank has, some of them empty. */
    List<MicroBatch> part(int step, int rank, int worldSize, int microBatches) {
        int examples = step == 2 ? 2 : 4 + step; // of the second step, some ranks have none
        int sequences = preference.isUsed() ? 2 : 1; // of an example
        MicroBatch batch = batch(step, examples * sequences);
        int from = examples * rank / worldSize;
        int count = examples * (rank + 1) / worldSize - from;
        List<MicroBatch> parts = new ArrayList<>();
        for (int i = 0; i < microBatches; i++) {
            int first = from + count * i / microBatches;
            int last = from + count * (i + 1) / microBatches;
            parts.add(part(batch, first * sequences, last * sequences));
        }
        return parts;
    }

    private MicroBatch batch(int step, int sequences) {
        Random random = new Random(step);
        long[] tokens = random.longs((long) sequences * WIDTH, 0, VOCABULARY).toArray();
        long[] labels = tokens.clone();
        long[] lengths = new long[sequences];
        for (int i = 0; i < sequences; i++) {
            lengths[i] = packed ? WIDTH : PROMPT + 2 + random.nextInt(WIDTH - PROMPT - 1);
            int row = i * WIDTH;
            Arrays.fill(labels, row, row + PROMPT, MicroBatch.IGNORED);
            Arrays.fill(labels, row + (int) lengths[i], row + WIDTH, MicroBatch.IGNORED);
            if (packed) {
                labels[row + secondDocument(i)] = MicroBatch.IGNORED;
            }
        }
        List<Role> roles = preference.isUsed()
                ? IntStream.range(0, sequences).mapToObj(this::role).toList()
                : List.of();
        long[] samples = LongStream.range(0, sequences)
                .map(i -> preference.isUsed() ? i / 2 : i)
                .toArray();
        return batch(sequences, tokens, labels, packed ? packing(sequences) : null, lengths, samples, roles);
    }

    private Role role(int sequence) {
        if (preference.type().orElseThrow() != PreferenceConfig.Type.KTO) {
            return sequence % 2 == 0 ? Role.CHOSEN : Role.REJECTED;
        } else if (sequence % 2 == 1) {
            return Role.MISMATCHED;
        }
        return sequence % 4 == 0 ? Role.DESIRABLE : Role.UNDESIRABLE;
    }

    /** Where it begins. */
    private static int secondDocument(int sequence) {
        return PROMPT + 2 + sequence % 3;
    }

    private static Packing packing(int sequences) {
        long[] positions = new long[sequences * WIDTH];
        long[] documents = new long[sequences * WIDTH];
        for (int at = 0; at < positions.length; at++) {
            int second = secondDocument(at / WIDTH);
            int place = at % WIDTH;
            documents[at] = place < second ? 0 : 1;
            positions[at] = place < second ? place : place - second;
        }
        return new Packing(positions, documents);
    }

    private static MicroBatch part(MicroBatch batch, int from, int until) {
        Packing packing = batch.packing();
        return batch(
                until - from,
                tokens(batch.tokens(), from, until),
                tokens(batch.labels(), from, until),
                packing == null
                        ? null
                        : new Packing(
                                tokens(packing.positions(), from, until), tokens(packing.documents(), from, until)),
                Arrays.copyOfRange(batch.lengths(), from, until),
                Arrays.copyOfRange(batch.samples(), from, until),
                batch.roles().isEmpty() ? List.of() : batch.roles().subList(from, until));
    }

    private static long[] tokens(long[] all, int from, int until) {
        return Arrays.copyOfRange(all, from * WIDTH, until * WIDTH);
    }

    private static MicroBatch batch(
            int sequences,
            long[] tokens,
            long[] labels,
            @Nullable Packing packing,
            long[] lengths,
            long[] samples,
            List<Role> roles) {
        return new MicroBatch(sequences, WIDTH, tokens, labels, null, packing)
                .withLengths(lengths)
                .withSamples(samples)
                .withRoles(roles);
    }
}

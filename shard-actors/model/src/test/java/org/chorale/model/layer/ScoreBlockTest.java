// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.model.ScopedTensors;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Blocks hold every score that anybody sees, once, and no more than a block may hold. */
@ExtendWith(ScopedTensors.class)
final class ScoreBlockTest {
    private static final long KEY_HEADS = 6;
    private static final long GROUP = 2;

    @ParameterizedTest
    @ValueSource(longs = {1, 300, 9_000, 200_000, 10_000_000})
    void everySeenScoreIsInOneBlock(long maxScores) {
        Random random = new Random(maxScores);
        for (int round = 0; round < 20; round++) {
            int sequences = 1 + random.nextInt(3);
            int tokens = 1 + random.nextInt(400);
            long window = random.nextBoolean() ? Sight.EVERYTHING : 1 + random.nextInt(tokens + 5);
            int[] begins = random.nextBoolean() ? null : begins(random, sequences, tokens);
            long launchedScores = random.nextBoolean() ? 0 : 1_000_000;
            assertBlocks(sequences, tokens, window, begins, maxScores, launchedScores);
        }
    }

    private static void assertBlocks(
            int sequences, int tokens, long window, int @Nullable [] begins, long maxScores, long launchedScores) {
        Sight sight = new Sight(true, window, null, begins == null ? null : packed(tokens, begins), Scores.PLAIN);
        int rows = begins == null ? tokens : sequences * tokens;
        long heads = begins == null ? sequences * KEY_HEADS : KEY_HEADS;
        long[] seen = new long[rows]; // key-value heads times keys that each query has
        for (ScoreBlock block : ScoreBlock.of(
                tensor(sequences, tokens, KEY_HEADS * GROUP),
                keys(sequences, tokens),
                sight,
                maxScores,
                launchedScores)) {
            long scores = block.heads() * GROUP * block.queries() * block.keys();
            assertThat(scores <= maxScores || block.heads() * block.queries() == 1)
                    .as("%s", block)
                    .isTrue();
            assertThat(KEY_HEADS % block.heads() * (block.heads() % KEY_HEADS))
                    .as("whole sequences or parts")
                    .isZero();
            assertThat(block.head() + block.heads()).isLessThanOrEqualTo(heads);
            for (long query = block.query(); query < block.query() + block.queries(); query++) {
                long begin = begins == null ? 0 : begins[(int) query];
                long first = Math.max(begin, window == Sight.EVERYTHING ? 0 : query - window + 1);
                assertThat(block.key()).isLessThanOrEqualTo(first);
                assertThat(block.key() + block.keys()).isGreaterThan(query);
                seen[(int) query] += block.heads();
            }
        }
        assertThat(seen).containsOnly(heads);
    }

    @ParameterizedTest
    @CsvSource({"512, 4096", "4096, 16384", "24, 2048"})
    void aWindowCostsWhatItSees(long window, long tokens) {
        Sight sight = new Sight(true, window, null, null, Scores.PLAIN);
        long scores = ScoreBlock.of(tensor(1, tokens, KEY_HEADS), keys(1, tokens), sight, 1 << 24, 0).stream()
                .mapToLong(block -> block.heads() * block.queries() * block.keys())
                .sum();
        assertThat(scores).isLessThanOrEqualTo(KEY_HEADS * tokens * (2 * Math.max(window, 256)));
    }

    @Test
    void shortDocumentsCostNoMoreThanABlockIsWide() {
        int[] begins = new int[8192];
        Arrays.setAll(begins, row -> row - row % 100);
        Sight sight = new Sight(true, Sight.EVERYTHING, null, packed(8192, begins), Scores.PLAIN);
        long scores = ScoreBlock.of(tensor(1, 8192, KEY_HEADS), keys(1, 8192), sight, 1 << 24, 0).stream()
                .mapToLong(block -> block.heads() * block.queries() * block.keys())
                .sum();
        assertThat(scores).isLessThanOrEqualTo(KEY_HEADS * 8192 * (256 + 100));
    }

    @Test
    void scoresThatTakeLessTimeThanTheirLaunchesAreOneBlock() {
        Sight sight = new Sight(true, 24, null, null, Scores.PLAIN);
        long all = KEY_HEADS * 1024 * 1024;
        assertThat(ScoreBlock.of(tensor(1, 1024, KEY_HEADS), keys(1, 1024), sight, 1 << 24, all))
                .containsExactly(new ScoreBlock(0, KEY_HEADS, 0, 1024, 0, 1024));
        assertThat(ScoreBlock.of(tensor(1, 1024, KEY_HEADS), keys(1, 1024), sight, 1 << 24, all - 1))
                .hasSizeGreaterThan(1);
    }

    /** Gemma 2's at 8,192 tokens: the first queries see few keys, so that a block has more heads of them. */
    @Test
    void aBlockHasAsManyHeadsAsItMayHold() {
        Sight sight = new Sight(true, Sight.EVERYTHING, null, null, Scores.PLAIN);
        List<ScoreBlock> blocks =
                ScoreBlock.of(tensor(1, 8192, 2 * KEY_HEADS), keys(1, 8192), sight, 2L * 512 * 8192 * 3, 1 << 23);
        assertThat(blocks).contains(new ScoreBlock(3, 3, 7680, 512, 0, 8192), new ScoreBlock(0, 6, 0, 512, 0, 512));
    }

    @Test
    void aWindowBeginsAtAWholeAccess() {
        Sight sight = new Sight(true, 4096, null, null, Scores.PLAIN);
        assertThat(ScoreBlock.of(tensor(1, 8192, KEY_HEADS), keys(1, 8192), sight, 1 << 24, 0))
                .allSatisfy(block -> assertThat(block.key() % 8).isZero())
                .contains(new ScoreBlock(0, 6, 7680, 512, 3584, 4608));
    }

    @Test
    void fewScoresAreOneBlock() {
        Sight sight = new Sight(true, Sight.EVERYTHING, null, null, Scores.PLAIN);
        assertThat(ScoreBlock.of(tensor(2, 100, KEY_HEADS), keys(2, 100), sight, 1 << 24, 0))
                .isEqualTo(List.of(new ScoreBlock(0, 2 * KEY_HEADS, 0, 100, 0, 100)));
    }

    @Test
    void aMaskMayShowAnything() {
        Sight sight = new Sight(false, Sight.EVERYTHING, torch.zeros(1, 1, 10, 10), null, Scores.PLAIN);
        assertThat(ScoreBlock.of(tensor(1, 10, KEY_HEADS), keys(1, 10), sight, 120, 0))
                .allSatisfy(block -> assertThat(block.keys()).isEqualTo(10))
                .hasSizeGreaterThan(1);
    }

    /** The row where the document of each row begins. */
    private static int[] begins(Random random, int sequences, int tokens) {
        int[] begins = new int[sequences * tokens];
        for (int row = 0; row < begins.length; row++) {
            boolean begin = row % tokens == 0 || random.nextInt(12) == 0;
            begins[row] = begin ? row : begins[row - 1];
        }
        return begins;
    }

    private static PackedDocuments packed(int tokens, int[] begins) {
        return PackedDocuments.of(
                Device.CPU, tokens, Arrays.stream(begins).asLongStream().toArray());
    }

    private static Tensor tensor(long sequences, long tokens, long heads) {
        return torch.empty(sequences, tokens, heads, 1);
    }

    private static Tensor keys(long sequences, long tokens) {
        return tensor(sequences, tokens, KEY_HEADS);
    }
}

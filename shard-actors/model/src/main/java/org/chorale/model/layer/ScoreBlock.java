// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * A part of the scores that is held at once: some queries of some heads, and the keys that any of them sees.
 *
 * <p>B batch, T queries, S keys, K key-value heads, each shared by G query heads. Packed sequences count as one.
 *
 * @param head the first of the B·K key-value heads of all sequences
 * @param heads whole sequences of them, or a part of one
 * @param query the first one
 * @param key the first one
 */
record ScoreBlock(long head, long heads, long query, long queries, long key, long keys) {
    /** Scores that a GPU computes in less time than their products and kernels take to launch. */
    static final long LAUNCHED_SCORES = 8L << 20;

    /** Fewer queries at once would leave a GPU's products too small: rather take fewer heads. */
    private static final long ENOUGH_QUERIES = 256;

    /** More at once read and write the sums of keys' gradients less often, but have more scores that nobody sees. */
    private static final long MANY_QUERIES = 512;

    /** A block's first key is a multiple of this: a GPU is faster at products whose sides are. */
    private static final long WHOLE_KEYS = 8;

    /**
     * All scores of queries [B, T, N, H] and keys [B, S, K, H] but those that nobody sees, the last queries' first. Work
     * for a limited sight grows with T times what a query sees, not with T·S.
     *
     * @param maxScores of a block, unless those of a single query and head are more
     * @param launchedScores below which a block is not made smaller to have fewer scores that nobody sees
     */
    static List<ScoreBlock> of(Tensor q, Tensor k, Sight sight, long maxScores, long launchedScores) {
        boolean packed = sight.documents() != null;
        long sequences = packed ? 1 : q.size(0);
        long queries = q.size(0) * q.size(1) / sequences;
        long keys = k.size(0) * k.size(1) / sequences;
        long group = q.size(2) / k.size(2);
        return new Cut(sight, sequences, k.size(2), group, queries, keys, maxScores, launchedScores).blocks();
    }

    /** These queries of a tensor [B·K, T, …]: a view. */
    Tensor ofQueries(Tensor perHead) {
        return perHead.narrow(0, head, heads).narrow(1, query, queries);
    }

    /** These keys of a tensor [B·K, S, …]: a view. */
    Tensor ofKeys(Tensor perHead) {
        return perHead.narrow(0, head, heads).narrow(1, key, keys);
    }

    /** How scores are cut. */
    private record Cut(
            Sight sight,
            long sequences,
            long keyHeads,
            long group,
            long queries,
            long keys,
            long maxScores,
            long launchedScores) {
        List<ScoreBlock> blocks() {
            long queriesOfBlock = queriesOfBlock();
            List<ScoreBlock> blocks = new ArrayList<>();
            for (long end = queries; end > 0; end -= queriesOfBlock) {
                long query = Math.max(0, end - queriesOfBlock);
                addHeads(blocks, query, end - query);
            }
            return blocks;
        }

        private void addHeads(List<ScoreBlock> blocks, long query, long queriesOfBlock) {
            long seen = sight.firstSeen(query, queries, keys);
            long from = seen - seen % WHOLE_KEYS;
            long until = sight.leavesOut() ? query + queriesOfBlock + keys - queries : keys;
            long heads = headsOfBlock(scores(1, queriesOfBlock, until - from));
            for (long head = 0; head < sequences * keyHeads; head += heads) {
                long left = sequences * keyHeads - head;
                blocks.add(new ScoreBlock(head, Math.min(heads, left), query, queriesOfBlock, from, until - from));
            }
        }

        /** About an eighth of the keys that a query sees, so that few of a block's scores are of keys that it does not. */
        private long queriesOfBlock() {
            long enough = Math.max(ENOUGH_QUERIES, Math.min(MANY_QUERIES, sight.reach(keys) / 8));
            long most = queries;
            while (most >= 2 * enough && widest(sequences * keyHeads, most) > Math.min(maxScores, launchedScores)) {
                most = half(most);
            }
            while (most > 1 && widest(1, most) > maxScores) {
                most = half(most);
            }
            return most;
        }

        /** Whole sequences, or a part of one that all its parts are as large as. */
        private long headsOfBlock(long scoresOfHead) {
            long fitting = maxScores / scoresOfHead;
            if (fitting >= keyHeads) {
                return Math.min(sequences, fitting / keyHeads) * keyHeads;
            }
            long heads = Math.max(1, fitting);
            while (keyHeads % heads != 0) {
                heads--;
            }
            return heads;
        }

        /** Scores of so many queries that see the most. */
        private long widest(long heads, long queriesOfBlock) {
            long seen = sight.reach(keys) + queriesOfBlock - 1 + WHOLE_KEYS - 1;
            return scores(heads, queriesOfBlock, Math.min(keys, seen));
        }

        /** And what lies between their rows. */
        private long scores(long heads, long queriesOfBlock, long keysOfBlock) {
            return heads * group * queriesOfBlock * ScoreMemory.stride(keysOfBlock);
        }

        private static long half(long count) {
            return (count + 1) / 2;
        }
    }
}

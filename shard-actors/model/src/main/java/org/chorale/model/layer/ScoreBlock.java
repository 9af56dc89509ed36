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
    /** Bytes of scores that a block has at most, unless those of a single query and head are more. */
    static final long MAX_BYTES = 64L << 20;

    /** Fewer queries at once would leave a GPU's products too small: rather take fewer heads. */
    private static final long ENOUGH_QUERIES = 256;

    /**
     * All scores of queries [B, T, N, H] and keys [B, S, K, H] but those that nobody sees, heads by heads. The last
     * queries come first: they see the most, and those after them take the memory that they have given back. Work for a
     * limited sight grows with T times what a query sees, not with T·S.
     *
     * @param maxScores of a block, unless those of a single query and head are more
     */
    static List<ScoreBlock> of(Tensor q, Tensor k, Sight sight, long maxScores) {
        boolean packed = sight.documents() != null;
        long sequences = packed ? 1 : q.size(0);
        long queries = q.size(0) * q.size(1) / sequences;
        long keys = k.size(0) * k.size(1) / sequences;
        return new Cut(sight, sequences, k.size(2), q.size(2) / k.size(2), queries, keys, maxScores).blocks();
    }

    /** These queries of a tensor [B·K, T, …]: a view. */
    Tensor ofQueries(Tensor perHead) {
        return perHead.narrow(0, head, heads).narrow(1, query, queries);
    }

    /** These keys of a tensor [B·K, S, …]: a view. */
    Tensor ofKeys(Tensor perHead) {
        return perHead.narrow(0, head, heads).narrow(1, key, keys);
    }

    /** How scores are cut: for the fewest blocks that are small enough, as each costs a GPU some launches. */
    private record Cut(
            Sight sight, long sequences, long keyHeads, long group, long queries, long keys, long maxScores) {
        List<ScoreBlock> blocks() {
            long queriesOfBlock = queriesOfBlock();
            long headsOfBlock = headsOfBlock(queriesOfBlock);
            while (queriesOfBlock > 1 && scores(headsOfBlock, queriesOfBlock) > maxScores) {
                queriesOfBlock = half(queriesOfBlock);
            }
            List<ScoreBlock> blocks = new ArrayList<>();
            for (long head = 0; head < sequences * keyHeads; head += headsOfBlock) {
                long heads = Math.min(headsOfBlock, sequences * keyHeads - head);
                for (long end = queries; end > 0; end -= queriesOfBlock) {
                    long query = Math.max(0, end - queriesOfBlock);
                    blocks.add(block(head, heads, query, end - query));
                }
            }
            return blocks;
        }

        private ScoreBlock block(long head, long heads, long query, long queriesOfBlock) {
            long from = sight.firstSeen(query, queries, keys);
            long until = sight.leavesOut() ? query + queriesOfBlock + keys - queries : keys;
            return new ScoreBlock(head, heads, query, queriesOfBlock, from, until - from);
        }

        /** No more than a query sees keys, so that no block is wider than twice that; fewer where all heads need it. */
        private long queriesOfBlock() {
            long most = Math.min(queries, Math.max(ENOUGH_QUERIES, sight.reach(keys)));
            while (most > ENOUGH_QUERIES && scores(sequences * keyHeads, most) > maxScores) {
                most = half(most);
            }
            return most;
        }

        /** Whole sequences, or a part of one that all its parts are as large as. */
        private long headsOfBlock(long queriesOfBlock) {
            long fitting = maxScores / scores(1, queriesOfBlock);
            if (fitting >= keyHeads) {
                return Math.min(sequences, fitting / keyHeads) * keyHeads;
            }
            long heads = Math.max(1, fitting);
            while (keyHeads % heads != 0) {
                heads--;
            }
            return heads;
        }

        private long scores(long heads, long queriesOfBlock) {
            long seen = Math.min(keys, sight.reach(keys) + queriesOfBlock - 1);
            return heads * group * queriesOfBlock * seen;
        }

        private static long half(long count) {
            return (count + 1) / 2;
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.measure;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import org.chorale.data.example.TokenizedExample;
import org.chorale.proto.batch.Batch;

/**
 * The pieces of split rows as numbers: tokenizing the whole row again for each of its pieces would take time that grows
 * with the square of its length. An id is 31 bits, and the sign says that the token is not trained.
 */
final class StoredTokens {
    private StoredTokens() {}

    static int[] encode(TokenizedExample example) {
        int[] stored = new int[example.tokens().length];
        for (int i = 0; i < stored.length; i++) {
            int id = Math.toIntExact(example.tokens()[i]);
            stored[i] = example.labels()[i] == Batch.IGNORED ? ~id : id;
        }
        return stored;
    }

    /** Reads a piece; safe to use from many threads. */
    static TokenizedExample read(FileChannel channel, long offset, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count * Integer.BYTES);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes, offset + bytes.position()) < 0) {
                throw new IOException("%d tokens at byte %d are not there".formatted(count, offset));
            }
        }
        bytes.flip();
        long[] tokens = new long[count];
        long[] labels = new long[count];
        for (int i = 0; i < count; i++) {
            int stored = bytes.getInt();
            tokens[i] = stored < 0 ? ~stored : stored;
            labels[i] = stored < 0 ? Batch.IGNORED : stored;
        }
        return new TokenizedExample(tokens, labels, 0);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.chorale.proto.message.GroupKey;
import org.chorale.tensor.collective.Collectives;

/** A link of ranks without devices: it takes the keys down, and the group of their hosts does the rest. */
final class PlayedLink implements DeviceLink {
    private final AtomicInteger made = new AtomicInteger();
    private final List<GroupKey> used = new CopyOnWriteArrayList<>();
    private final List<byte[]> seen = new CopyOnWriteArrayList<>();

    static GroupKey key(int value) {
        byte[] bytes = new byte[GroupKey.BYTES];
        Arrays.fill(bytes, (byte) value);
        return new GroupKey(bytes);
    }

    @Override
    public byte[] newKey() {
        return key(made.incrementAndGet()).bytes();
    }

    @Override
    public Collectives join(Collectives host, byte[] key, Duration patience, BooleanSupplier cancelled) {
        used.add(new GroupKey(key.clone()));
        seen.add(key);
        return host;
    }

    /** As they were when ranks joined by them. */
    List<GroupKey> used() {
        return used;
    }

    /** What the memory holds now in which ranks were given them. */
    List<byte[]> memory() {
        return seen;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.typed.ActorRef;
import org.chorale.proto.wire.ClientReply;
import org.chorale.proto.wire.WatchedEvent;

/**
 * Clients that watch a run. Each gets as many events as it gave credit for; of those that it is too slow for the oldest
 * are dropped, which it sees from their numbers. One that gives no credit for a while is forgotten.
 */
final class Watchers {
    /** Watchers of one run. */
    static final int MAX = 64;

    /** Events that wait for credit, for each. */
    private static final int MAX_WAITING = 256;

    private static final int MAX_CREDIT = 10_000;
    private static final long PATIENCE_NANOS = Duration.ofMinutes(1).toNanos();

    private static final class Watcher {
        private final Deque<WatchedEvent> waiting = new ArrayDeque<>();
        private int credit;
        private long heardNanos;
    }

    private final Map<ActorRef<ClientReply>, Watcher> watchers = new HashMap<>();

    /**
     * Gives credit; a new client gets the state first.
     *
     * @return false where there are too many already
     */
    boolean watch(ActorRef<ClientReply> client, int credit, List<WatchedEvent> state, long nowNanos) {
        Watcher watcher = watchers.get(client);
        if (watcher == null) {
            if (watchers.size() == MAX) {
                return false;
            }
            watcher = new Watcher();
            watcher.waiting.addAll(state);
            watchers.put(client, watcher);
        }
        watcher.credit = Math.max(0, Math.min(MAX_CREDIT, watcher.credit + Math.min(credit, MAX_CREDIT)));
        watcher.heardNanos = nowNanos;
        send(client, watcher);
        return true;
    }

    void tell(WatchedEvent event) {
        watchers.forEach((client, watcher) -> {
            if (watcher.waiting.size() == MAX_WAITING) {
                watcher.waiting.remove();
            }
            watcher.waiting.add(event);
            send(client, watcher);
        });
    }

    private static void send(ActorRef<ClientReply> client, Watcher watcher) {
        for (; watcher.credit > 0 && !watcher.waiting.isEmpty(); watcher.credit--) {
            client.tell(
                    ClientReply.newBuilder().setEvent(watcher.waiting.remove()).build());
        }
    }

    /** Forgets those who are gone: they left without a word, as clients do. */
    void forgetSilent(long nowNanos) {
        watchers.values().removeIf(watcher -> nowNanos - watcher.heardNanos > PATIENCE_NANOS);
    }
}

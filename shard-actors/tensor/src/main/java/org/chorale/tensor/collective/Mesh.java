// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.ByteVector;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.gloo.Device;
import org.bytedeco.pytorch.gloo.Pair;
import org.bytedeco.pytorch.gloo.TransportContext;
import org.bytedeco.pytorch.gloo.UnboundBuffer;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * This rank's TCP connections to all others of its group, through Gloo's transport: one to each, served by one native
 * thread. What goes wrong with one of them ends all, so that every rank hears of it.
 *
 * <p>Gloo tells nobody whose transfer was under way when a connection broke. So a receive that stays open on every
 * connection, until its peer says farewell, notices it, and a thread of ours that waits for these wakes the others.
 */
final class Mesh implements AutoCloseable {
    private static final long FAREWELL_SLOT = 0;

    /** The longest wait for a peer that has joined to take up its connection; one that died meanwhile never does. */
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);

    private static final Duration FAREWELL_TIMEOUT = Duration.ofSeconds(1);
    private static final Duration FOREVER = Duration.ofDays(365);

    private final int rank;
    private final Duration timeout;
    private final Consumer<String> onBroken;
    private final HeldTensors held = new HeldTensors();
    private final Device device;
    private final TransportContext context;

    /** By peer, null for this rank; the context owns them. */
    private final @Nullable Pair[] pairs;

    /** Gloo breaks a context's connections when a wait for one of its buffers ends late: nobody ever writes this one. */
    private final UnboundBuffer breaker;

    /** Written by the peers' farewells. */
    private final UnboundBuffer sentinel;

    private final Thread watcher;

    /** Guards the native objects against being used while they are freed, and the transfers. */
    private final Object lock = new Object();

    private final Set<Transfer> underWay = new HashSet<>();
    private volatile @Nullable String broken;
    private boolean closed;

    /** A connection that was never taken up: Gloo may still report to it, so that it cannot be freed. */
    private boolean halfConnected;

    /**
     * Listens on the host's address alone, at a port that the system chooses.
     *
     * @param timeout the longest wait for a peer
     * @param onBroken told, from any thread, why the connections were broken
     */
    Mesh(String host, int rank, int worldSize, Duration timeout, Consumer<String> onBroken) {
        this.onBroken = onBroken;
        this.rank = rank;
        this.timeout = timeout;
        this.pairs = new Pair[worldSize];
        try (TensorScope scope = new TensorScope()) {
            device = held.hold(listen(host));
            context = held.hold(device.createContext(rank, worldSize));
            context.setTimeout(milliseconds(timeout.compareTo(CONNECT_TIMEOUT) < 0 ? timeout : CONNECT_TIMEOUT));
            peers().forEach(peer -> pairs[peer] = context.createPair(peer));
            breaker = held.hold(context.createUnboundBuffer(held.hold(new BytePointer(1)), 1));
            sentinel = held.hold(context.createUnboundBuffer(held.hold(new BytePointer(worldSize)), worldSize));
        } catch (RuntimeException e) {
            held.close();
            throw e;
        }
        watcher = new Thread(this::watch, "gloo-watcher-" + rank);
        watcher.setDaemon(true);
    }

    private static Device listen(String host) {
        try {
            if (InetAddress.getByName(host).isAnyLocalAddress()) {
                throw new IllegalArgumentException(
                        "a group listens on an address of this host that its peers reach, not on " + host);
            }
            return ProcessGroupGloo.createDeviceForHostname(host);
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException(host + ": no such host to listen on", e);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(host + ": not an address of this host to listen on", e);
        }
    }

    /** Where each peer reaches this rank, by peer; its own is empty. */
    List<byte[]> addresses() {
        try (TensorScope scope = new TensorScope()) {
            List<byte[]> addresses = new ArrayList<>();
            for (Pair pair : pairs) {
                addresses.add(
                        pair == null ? new byte[0] : pair._address().bytes().get());
            }
            return addresses;
        }
    }

    /** Connects to the addresses that the peers gave for this rank. */
    void connect(List<byte[]> addresses) {
        try (TensorScope scope = new TensorScope()) {
            for (int peer = 0; peer < pairs.length; peer++) {
                if (peer != rank) {
                    connect(peer, addresses.get(peer));
                }
            }
            peers().forEach(peer -> sentinel.recv(peer, FAREWELL_SLOT, peer, 1));
        }
        watcher.start();
    }

    private void connect(int peer, byte[] address) {
        try {
            pair(peer).connect(new ByteVector(address));
        } catch (RuntimeException e) {
            halfConnected = true;
            String reason = "rank " + rank + " could not connect to rank " + peer;
            breakConnections(reason);
            throw new CollectiveException(reason, e);
        }
    }

    /** Begins to send a tensor's bytes to a peer, which receives as many under the same slot. */
    Transfer send(String operation, int peer, long slot, Tensor values) {
        Transfer transfer = begin(operation + " to rank " + peer, values);
        return transfer.post(buffer -> buffer.send(peer, slot, 0, values.nbytes()));
    }

    /** Begins to receive a tensor's bytes from a peer. */
    Transfer receive(String operation, int peer, long slot, Tensor values) {
        Transfer transfer = begin(operation + " from rank " + peer, values);
        return transfer.post(buffer -> buffer.recv(peer, slot, 0, values.nbytes()));
    }

    private Transfer begin(String what, Tensor values) {
        synchronized (lock) {
            if (closed) {
                throw new IllegalStateException(what + ": the group is closed");
            }
            if (broken != null) {
                throw failure(what, null);
            }
            Transfer transfer = new Transfer(this, what, context, values);
            underWay.add(transfer);
            return transfer;
        }
    }

    /** The transfer has ended, well or not. */
    void end(Transfer transfer) {
        synchronized (lock) {
            if (underWay.remove(transfer)) {
                transfer.free();
            }
        }
    }

    /** What to throw where a transfer fails; breaks all connections, so that every rank hears of it. */
    CollectiveException failure(String what, @Nullable RuntimeException cause) {
        if (broken == null) {
            breakConnections(lossOfConnections());
        }
        String message = what + ": " + broken;
        return cause == null ? new CollectiveException(message) : new CollectiveException(message, cause);
    }

    /** What to throw where a peer did not come in time, which breaks all connections, too. */
    CollectiveException late(String what, RuntimeException cause) {
        String reason = "rank " + rank + " waited " + Ranks.seconds(timeout) + " for it";
        breakConnections(reason);
        return new CollectiveException(what + ": " + reason, cause);
    }

    /**
     * Ends every transfer, here and at the peers; takes some 10 ms a peer. From any thread, any number of times.
     *
     * @param reason why; the first one is kept
     */
    void breakConnections(String reason) {
        synchronized (lock) {
            if (closed || broken != null) {
                return;
            }
            broken = reason;
            try (TensorScope scope = new TensorScope()) {
                breaker.waitRecv(milliseconds(Duration.ofMillis(1)));
            } catch (RuntimeException e) {
                // nothing ever comes, and that the wait ends late is what breaks the connections
            }
            underWay.forEach(Transfer::wake);
        }
        onBroken.accept(reason);
    }

    boolean isBroken() {
        return broken != null;
    }

    private String lossOfConnections() {
        List<Integer> lost =
                peers().filter(peer -> !pair(peer).isConnected()).boxed().toList();
        return "rank " + rank + " lost its connection to " + Ranks.name(lost);
    }

    private void watch() {
        try (TensorScope scope = new TensorScope()) {
            Milliseconds forever = milliseconds(FOREVER);
            int present = pairs.length - 1;
            while (present > 0 && sentinel.waitRecv(forever)) {
                present--;
            }
        } catch (RuntimeException e) {
            breakConnections(lossOfConnections());
        }
    }

    /**
     * Says farewell to the peers and frees everything. Where transfers are under way, these fail at the peers instead.
     */
    @Override
    public void close() {
        if (watcher.isAlive()) {
            sayFarewell();
            sentinel.abortWaitRecv();
        }
        joinWatcher();
        synchronized (lock) {
            if (!closed) {
                closed = true;
                underWay.forEach(Transfer::free);
                underWay.clear();
                if (!halfConnected) {
                    held.close();
                }
            }
        }
    }

    private void sayFarewell() {
        if (broken != null || !underWay.isEmpty()) {
            return; // the watchers of the peers shall take this for a loss
        }
        try (TensorScope scope = new TensorScope()) {
            UnboundBuffer farewell = context.createUnboundBuffer(new BytePointer(1), 1);
            long sent = peers().filter(peer -> sent(farewell, peer)).count();
            while (sent-- > 0) {
                farewell.waitSend(milliseconds(FAREWELL_TIMEOUT));
            }
        } catch (RuntimeException e) {
            // a peer has gone meanwhile, and does not need it any more
        }
    }

    private static boolean sent(UnboundBuffer farewell, int peer) {
        try {
            farewell.send(peer, FAREWELL_SLOT, 0, 1);
            return true;
        } catch (RuntimeException e) {
            return false; // the peer has gone before
        }
    }

    private void joinWatcher() {
        boolean interrupted = false;
        while (watcher.isAlive()) {
            try {
                watcher.join();
            } catch (InterruptedException e) {
                interrupted = true; // what it uses cannot be freed before it has ended
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private IntStream peers() {
        return IntStream.range(1, pairs.length).map(step -> (rank + step) % pairs.length);
    }

    private Pair pair(int peer) {
        return Objects.requireNonNull(pairs[peer]);
    }

    static Milliseconds milliseconds(Duration duration) {
        return new Milliseconds(duration.toMillis());
    }
}

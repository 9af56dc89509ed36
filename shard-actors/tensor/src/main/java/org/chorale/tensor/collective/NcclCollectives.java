// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.nio.LongBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.NcclLibrary.Communicator;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceEvent;
import org.chorale.tensor.device.DeviceStream;
import org.chorale.tensor.device.HostCopy;
import org.chorale.tensor.profile.Recording;
import org.chorale.tensor.profile.Traffic;
import org.jspecify.annotations.Nullable;

/**
 * A group of ranks on GPUs, one each, over NCCL.
 *
 * <p>A group has one communicator and one stream, so its operations run one after the other, in the order of the calls,
 * on every rank: then no two of them can wait for each other. A gather does queue behind a reduce-scatter that was begun
 * before; both run under compute, and where they ran at once they would share the same wires.
 *
 * <pre>
 * caller's stream   compute ─┬───────── compute ─────────┬─ await ─ compute
 * the group's stream         └─ wait ─ operation ─ end ──┘
 * </pre>
 *
 * <p>Data goes over the wires as it is. NCCL adds values up in an order that depends on the machines, the group and the
 * number of values alone.
 */
public final class NcclCollectives implements Collectives {
    /** Length of what {@link #newUniqueId} returns. */
    public static final int ID_BYTES = 128;

    private static final long POLL_NANOS = 50_000;

    private final NcclLibrary library;
    private final FaultDomain domain;
    private final GroupWatch watch;
    private final Place place;
    private final Operands operands;
    private final FlightRecord record;
    private final DeviceStream stream;
    private final NcclLink link;
    private final List<NcclCollectives> subgroups = new CopyOnWriteArrayList<>();
    private final Set<Operation> unawaited = new HashSet<>();
    private @Nullable Recording recording; // null until one is begun
    private boolean closed;

    /**
     * Where a rank stands.
     *
     * @param group for messages
     */
    private record Place(
            String group, Device device, int rank, int worldSize, Duration timeout, BooleanSupplier cancelled) {}

    private NcclCollectives(NcclLibrary library, FaultDomain domain, GroupWatch watch, Place place, byte[] id) {
        this.library = library;
        this.domain = domain;
        this.watch = watch;
        this.place = place;
        this.operands = Operands.on(place.device);
        this.record = new FlightRecord(place.group);
        this.stream = DeviceStream.urgent(place.device);
        try {
            this.link = new NcclLink(
                    domain, library, id, stream, place.rank, place.worldSize, place.timeout, place.cancelled);
        } catch (RuntimeException e) {
            domain.awaitAbort();
            stream.close();
            throw e;
        }
        watch.add(link, record);
    }

    /**
     * What the ranks of one group find each other by: one of them makes it and all {@link #join} with it. Whoever knows it
     * can join in the place of a rank, so it is a secret.
     *
     * @return {@value #ID_BYTES} bytes
     * @throws IllegalStateException where the machine has no NCCL, or an old one
     */
    public static byte[] newUniqueId() {
        return NativeNccl.load().newUniqueId();
    }

    /**
     * Joins the group of all ranks, and waits for the others to do so. The calling thread is bound to the device.
     *
     * @param id of {@link #newUniqueId}, used for one group alone
     * @param device one that no other rank has
     * @param timeout the longest wait for the others, when joining and in every operation
     * @param cancelled asked during each wait of the host: whether to give up
     * @throws CollectiveException where a rank does not come in time, or once cancelled
     * @throws IllegalStateException where the machine has no NCCL, or an old one
     */
    public static NcclCollectives join(
            byte[] id, Device device, int rank, int worldSize, Duration timeout, BooleanSupplier cancelled) {
        if (!device.isCuda()) {
            throw new IllegalArgumentException("join: NCCL connects GPUs, not " + device);
        }
        return join(NativeNccl.load(), id, device, rank, worldSize, timeout, cancelled);
    }

    /** Likewise, through a library of the caller's. */
    static NcclCollectives join(
            NcclLibrary library,
            byte[] id,
            Device device,
            int rank,
            int worldSize,
            Duration timeout,
            BooleanSupplier cancelled) {
        Operands.checkRank("join", rank, worldSize);
        if (id.length != ID_BYTES) {
            throw new IllegalArgumentException("join: an id has %d bytes, not %d".formatted(ID_BYTES, id.length));
        }
        FaultDomain domain = new FaultDomain(library, device);
        GroupWatch watch = new GroupWatch(domain, rank, timeout);
        Place place = new Place("world", device, rank, worldSize, timeout, cancelled);
        NcclCollectives world = new NcclCollectives(library, domain, watch, place, id);
        watch.start();
        return world;
    }

    /** Lets another group between the same ranks break with this one, and this one with it. */
    void breakWith(Collectives other) {
        domain.onBroken(other::abort);
        watch.checkToo(other);
    }

    @Override
    public Collectives subgroup(String name, List<Integer> ranks) {
        Operands.checkSubgroup(name, ranks, place.rank, place.worldSize);
        if (ranks.size() == 1) {
            return new SingleRank();
        }
        byte[] id = ranks.get(0) == place.rank ? sendId(ranks) : receiveId(ranks.get(0));
        Place inside = new Place(
                place.group + "." + name,
                place.device,
                ranks.indexOf(place.rank),
                ranks.size(),
                place.timeout,
                place.cancelled);
        NcclCollectives group = new NcclCollectives(library, domain, watch, inside, id);
        subgroups.add(group);
        return group;
    }

    private byte[] sendId(List<Integer> ranks) {
        byte[] id = library.newUniqueId();
        try (TensorScope scope = new TensorScope()) {
            Tensor bytes = place.device.ofLongs(longs(id), ID_BYTES);
            ranks.stream().skip(1).forEach(member -> send(bytes, member).await());
            return id;
        }
    }

    private byte[] receiveId(int from) {
        try (TensorScope scope = new TensorScope()) {
            Tensor bytes = place.device.zeros(ScalarType.Long, ID_BYTES);
            receive(bytes, from).await();
            try (HostCopy copy = HostCopy.of(bytes)) {
                return bytes(awaitOnHost(copy));
            }
        }
    }

    private Tensor awaitOnHost(HostCopy copy) {
        long startNanos = System.nanoTime();
        while (!copy.isThere()) {
            check();
            if (place.cancelled.getAsBoolean() || System.nanoTime() - startNanos > place.timeout.toNanos()) {
                throw domain.failure("subgroup", "rank " + place.rank + " waited in vain for the group's id");
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
        check();
        return copy.await(Duration.ZERO);
    }

    private static long[] longs(byte[] bytes) {
        long[] values = new long[bytes.length];
        Arrays.setAll(values, i -> bytes[i]);
        return values;
    }

    private static byte[] bytes(Tensor values) {
        long[] read = new long[ID_BYTES];
        values.<LongBuffer>createBuffer().get(read);
        byte[] bytes = new byte[ID_BYTES];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) read[i];
        }
        return bytes;
    }

    @Override
    public int rank() {
        return place.rank;
    }

    @Override
    public int worldSize() {
        return place.worldSize;
    }

    @Override
    public Pending allGather(Tensor whole, Tensor part) {
        operands.checkPart("allGather", whole, part, place.worldSize);
        return begin("allGather", whole, group -> group.allGather(whole, part), part);
    }

    @Override
    public Pending reduceScatter(Tensor part, Tensor whole) {
        operands.checkPart("reduceScatter", whole, part, place.worldSize);
        operands.checkReducible("reduceScatter", whole);
        return begin("reduceScatter", whole, group -> group.reduceScatter(part, whole), part);
    }

    @Override
    public Pending allReduce(Tensor values, Reduction reduction) {
        operands.checkReducible("allReduce", values);
        return begin("allReduce", values, group -> group.allReduce(values, reduction));
    }

    @Override
    public Pending broadcast(Tensor values, int root) {
        operands.checkBuffer("broadcast", values);
        Operands.checkRank("broadcast", root, place.worldSize);
        return begin("broadcast", values, group -> group.broadcast(values, root));
    }

    /** Begins once the receiver has come, and what is begun later waits for it: of two ranks one sends first. */
    @Override
    public Pending send(Tensor values, int to) {
        operands.checkBuffer("send", values);
        Operands.checkPeer("send", to, place.rank, place.worldSize);
        return begin("send", values, group -> group.send(values, to));
    }

    @Override
    public Pending receive(Tensor values, int from) {
        operands.checkBuffer("receive", values);
        Operands.checkPeer("receive", from, place.rank, place.worldSize);
        return begin("receive", values, group -> group.receive(values, from));
    }

    @Override
    public Pending barrier() {
        try (TensorScope scope = new TensorScope()) {
            Tensor one = place.device.zeros(ScalarType.Long, 1);
            return begin("barrier", one, group -> group.allReduce(one, Reduction.MAX));
        }
    }

    private Pending begin(String operation, Tensor larger, ToIntFunction<Communicator> call, Tensor... others) {
        if (closed) {
            throw new IllegalStateException(operation + ": the group is closed");
        }
        domain.check(operation);
        if (larger.numel() == 0) {
            return () -> domain.check(operation);
        }
        try (DeviceStream caller = DeviceStream.current(place.device)) {
            DeviceEvent ready = caller.record();
            stream.await(ready);
            Operation begun = new Operation(operation, ready, larger, others);
            unawaited.add(begun);
            long startNanos = System.nanoTime();
            link.enqueue(operation, call);
            begun.end = stream.record();
            long number = record.add(
                    operation, larger.nbytes(), larger.scalar_type().intern().name(), begun);
            if (recording != null && place.worldSize > 1) { // NCCL runs no kernel for a single rank
                Traffic traffic = new Traffic(place.group, number, operation, larger.nbytes(), place.worldSize);
                recording.add(traffic, stream, startNanos);
            }
            return begun;
        }
    }

    @Override
    public void check() {
        domain.check("check");
    }

    @Override
    public void abort() {
        domain.abort("the group was aborted on rank " + place.rank);
    }

    @Override
    public List<Flight> flights() {
        domain.enter();
        return Stream.concat(record.flights().stream(), subgroups.stream().flatMap(group -> group.flights().stream()))
                .toList();
    }

    @Override
    public void recordIn(Recording begun) {
        recording = begun;
        subgroups.forEach(group -> group.recordIn(begun));
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        watch.remove(record);
        link.close();
        domain.awaitAbort(); // what is freed now is written by nobody
        record.close();
        unawaited.forEach(Operation::free);
        unawaited.clear();
        stream.close();
    }

    /** One that has begun. Its tensors are held until the caller's stream waits for its end. */
    private final class Operation implements Pending, FlightRecord.Progress {
        private final String name;
        private final HeldTensors held = new HeldTensors();
        private final DeviceEvent ready;
        private @Nullable DeviceEvent end; // null until the operation is enqueued
        private boolean done;

        Operation(String name, DeviceEvent ready, Tensor larger, Tensor... others) {
            this.name = name;
            this.ready = ready;
            held.hold(larger);
            for (Tensor other : others) {
                held.hold(other);
            }
        }

        @Override
        public void await() {
            domain.check(name);
            try (DeviceStream caller = DeviceStream.current(place.device)) {
                letWait(caller);
            }
            if (unawaited.remove(this)) {
                held.close();
            }
        }

        private synchronized void letWait(DeviceStream caller) {
            if (!done && end != null) {
                caller.await(end);
            }
        }

        @Override
        public boolean isReady() {
            return ready.isOver();
        }

        @Override
        public boolean isDone() {
            return end != null && end.isOver();
        }

        @Override
        public synchronized void close() {
            done = true;
            ready.close();
            if (end != null) {
                end.close();
            }
        }

        /** Once nothing is under way. */
        void free() {
            close();
            held.close();
        }
    }
}

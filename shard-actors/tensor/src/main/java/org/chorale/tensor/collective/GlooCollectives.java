// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;
import org.jspecify.annotations.Nullable;

/**
 * A group of ranks on CPUs, over TCP.
 *
 * <p>Gloo's transport carries the bytes, while its caller computes; what is done with them is here, on the caller's
 * thread. Every rank exchanges with every other directly, and sums are taken in the order of the ranks, so that the same
 * values give the same bits, every time and on every rank. Operations end in the order in which they began.
 *
 * <p>In the formulas: W ranks, of which this one is r; x_i what rank i puts in.
 */
public final class GlooCollectives implements Collectives {
    /** Up to so many received bytes, an all-reduce sends all values to all ranks: more bytes, but half the round trips. */
    private static final long SMALL_BYTES = 16 * 1024;

    private static final Operands OPERANDS = Operands.on(Device.CPU);
    private static final long POINT_TO_POINT_SLOT = 1;
    private static final long FIRST_SLOT = 2;
    private static final long SLOTS_PER_OPERATION = 2;

    private final Rendezvous rendezvous;
    private final BooleanSupplier cancelled;
    private final String name;
    private final int rank;
    private final int worldSize;
    private final Mesh mesh;
    private final Deque<Operation> begun = new ArrayDeque<>();
    private final List<GlooCollectives> subgroups = new CopyOnWriteArrayList<>();
    private long nextSlot = FIRST_SLOT;

    private GlooCollectives(Rendezvous rendezvous, BooleanSupplier cancelled, String name, int rank, int worldSize) {
        this.rendezvous = rendezvous;
        this.cancelled = cancelled;
        this.name = name;
        this.rank = rank;
        this.worldSize = worldSize;
        this.mesh = new Mesh(rendezvous.host(), rank, worldSize, rendezvous.timeout(), this::breakSubgroups);
        try {
            AddressFolder folder = new AddressFolder(rendezvous.folder(), name, rank, worldSize);
            folder.publish(mesh.addresses());
            mesh.connect(folder.await(rendezvous.timeout(), cancelled));
        } catch (RuntimeException e) {
            mesh.close();
            throw e;
        }
    }

    /**
     * Joins the group of all ranks, and waits for the others to do so.
     *
     * @param cancelled asked during the wait: whether to give up
     * @throws CollectiveException where a rank does not come in time, naming it, or once cancelled
     */
    public static Collectives join(Rendezvous rendezvous, int rank, int worldSize, BooleanSupplier cancelled) {
        Operands.checkRank("join", rank, worldSize);
        return worldSize == 1 ? new SingleRank() : new GlooCollectives(rendezvous, cancelled, "world", rank, worldSize);
    }

    @Override
    public Collectives subgroup(String subgroup, List<Integer> ranks) {
        Operands.checkSubgroup(subgroup, ranks, rank, worldSize);
        if (ranks.size() == 1) {
            return new SingleRank();
        }
        GlooCollectives group = new GlooCollectives(
                rendezvous,
                () -> mesh.isBroken() || cancelled.getAsBoolean(),
                name + "." + subgroup,
                ranks.indexOf(rank),
                ranks.size());
        subgroups.add(group);
        if (mesh.isBroken()) {
            group.abort(); // too late to be told
        }
        return group;
    }

    private void breakSubgroups(String reason) {
        subgroups.forEach(group -> group.mesh.breakConnections(reason));
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int worldSize() {
        return worldSize;
    }

    @Override
    public Pending allGather(Tensor whole, Tensor part) {
        OPERANDS.checkPart("allGather", whole, part, worldSize);
        return begin("allGather", operation -> {
            Tensor parts = whole.view(worldSize, part.numel()); // [W, n]
            for (int peer : peers()) {
                operation.exchange.send(peer, part);
                operation.exchange.receive(peer, parts.select(0, peer));
            }
            Operands.copy(parts.select(0, rank), part);
        });
    }

    @Override
    public Pending reduceScatter(Tensor part, Tensor whole) {
        OPERANDS.checkPart("reduceScatter", whole, part, worldSize);
        OPERANDS.checkReducible("reduceScatter", whole);
        return begin("reduceScatter", operation -> {
            Tensor parts = operation.hold(whole.view(worldSize, part.numel())); // [W, n]
            for (int peer : peers()) {
                operation.exchange.send(peer, parts.select(0, peer));
            }
            Tensor others = operation.receiveFromAll(parts.select(0, rank)); // [W - 1, n]
            operation.hold(part);
            operation.rest = () -> Operands.copy(part, reduced(parts.select(0, rank), others, Reduction.SUM));
        });
    }

    @Override
    public Pending allReduce(Tensor values, Reduction reduction) {
        return allReduce("allReduce", values, reduction);
    }

    private Pending allReduce(String name, Tensor values, Reduction reduction) {
        OPERANDS.checkReducible(name, values);
        boolean small = values.nbytes() * (worldSize - 1) <= SMALL_BYTES;
        return begin(name, operation -> {
            Tensor flat = operation.hold(values.view(values.numel())); // [n]
            if (small) {
                exchangeAll(operation, flat, reduction);
            } else {
                reduceParts(operation, flat, reduction);
            }
        });
    }

    /** Every rank gets all values of all others, and reduces them itself. */
    private void exchangeAll(Operation operation, Tensor flat, Reduction reduction) {
        for (int peer : peers()) {
            operation.exchange.send(peer, flat);
        }
        Tensor others = operation.receiveFromAll(flat); // [W - 1, n]
        operation.rest = () -> Operands.copy(flat, reduced(flat, others, reduction));
    }

    /** Every rank reduces a part and sends it to all others. */
    private void reduceParts(Operation operation, Tensor flat, Reduction reduction) {
        for (int peer : peers()) {
            operation.exchange.send(peer, part(flat, peer));
        }
        Tensor others = operation.receiveFromAll(part(flat, rank)); // [W - 1, about n / W]
        operation.rest = () -> {
            Tensor own = part(flat, rank);
            Operands.copy(own, reduced(own, others, reduction));
            Exchange results = operation.secondExchange();
            for (int peer : peers()) {
                results.send(peer, own);
                results.receive(peer, part(flat, peer));
            }
            results.await(rendezvous.timeout());
        };
    }

    @Override
    public Pending broadcast(Tensor values, int root) {
        OPERANDS.checkBuffer("broadcast", values);
        Operands.checkRank("broadcast", root, worldSize);
        return begin("broadcast", operation -> {
            if (root != rank) {
                operation.exchange.receive(root, values);
            } else {
                peers().forEach(peer -> operation.exchange.send(peer, values));
            }
        });
    }

    @Override
    public Pending send(Tensor values, int to) {
        OPERANDS.checkBuffer("send", values);
        Operands.checkPeer("send", to, rank, worldSize);
        Operation operation = new Operation("send", POINT_TO_POINT_SLOT);
        operation.exchange.send(to, values);
        return operation;
    }

    @Override
    public Pending receive(Tensor values, int from) {
        OPERANDS.checkBuffer("receive", values);
        Operands.checkPeer("receive", from, rank, worldSize);
        Operation operation = new Operation("receive", POINT_TO_POINT_SLOT);
        operation.exchange.receive(from, values);
        return operation;
    }

    @Override
    public Pending barrier() {
        try (TensorScope scope = new TensorScope()) {
            return allReduce("barrier", HostTensors.zeros(ScalarType.Long, 1), Reduction.MAX);
        }
    }

    /** Begins what all ranks do together; in the order of the calls, which is the same on all ranks, it ends. */
    private Pending begin(String name, Consumer<Operation> exchange) {
        Operation operation = new Operation(name, nextSlot);
        nextSlot += SLOTS_PER_OPERATION;
        try (TensorScope scope = new TensorScope()) {
            exchange.accept(operation);
            begun.add(operation);
            return operation;
        } catch (RuntimeException e) {
            operation.end(e);
            throw e;
        }
    }

    @Override
    public void check() {
        if (mesh.isBroken()) {
            throw mesh.failure("check", null);
        }
    }

    @Override
    public void abort() {
        mesh.breakConnections("the group was aborted on rank " + rank);
    }

    @Override
    public void close() {
        mesh.close();
        begun.forEach(operation ->
                operation.end(new IllegalStateException(operation.name + ": the group was closed before this ended")));
        begun.clear();
    }

    /** The peers, each rank beginning with the one behind it, so that not all send to the same one first. */
    private List<Integer> peers() {
        return IntStream.range(1, worldSize)
                .mapToObj(step -> (rank + step) % worldSize)
                .toList();
    }

    /** The part of [n] that rank i reduces: [n / W], rounded up, and what is left for the last ones. */
    private Tensor part(Tensor flat, int i) {
        long length = (flat.numel() + worldSize - 1) / worldSize;
        long start = Math.min(i * length, flat.numel());
        return flat.narrow(0, start, Math.min(length, flat.numel() - start));
    }

    /**
     * x_0 + x_1 + ... + x_(W - 1), or the largest of them, in this order on every rank.
     *
     * @param own x_r, [n]
     * @param others the others, [W - 1, n]
     * @return x_0, overwritten
     */
    private Tensor reduced(Tensor own, Tensor others, Reduction reduction) {
        Tensor result = rank == 0 ? own : others.select(0, 0);
        for (int i = 1; i < worldSize; i++) {
            Tensor next = i == rank ? own : others.select(0, i < rank ? i : i - 1);
            if (reduction == Reduction.SUM) {
                result.add_(next);
            } else {
                torch.maximum_out(result, result, next);
            }
        }
        return result;
    }

    /** One that has begun. Those of all ranks end in the order in which they began, whichever is awaited. */
    private final class Operation implements Pending {
        private final String name;
        private final long slot;
        private final Exchange exchange;
        private final HeldTensors held = new HeldTensors();

        /** What is to be done on this rank after the exchange. */
        private Runnable rest = () -> {};

        private boolean ended;
        private @Nullable RuntimeException failure;

        Operation(String name, long slot) {
            this.name = name;
            this.slot = slot;
            this.exchange = new Exchange(mesh, name, slot);
        }

        /** Holds a tensor until the operation ends. */
        Tensor hold(Tensor tensor) {
            return held.hold(tensor);
        }

        /** Receives as many values from each peer as {@code own} has: [W - 1, n], by rank. */
        Tensor receiveFromAll(Tensor own) {
            Tensor others = hold(HostTensors.empty(own.scalar_type(), worldSize - 1, own.numel()));
            for (int peer : peers()) {
                exchange.receive(peer, others.select(0, peer < rank ? peer : peer - 1));
            }
            return others;
        }

        Exchange secondExchange() {
            return new Exchange(mesh, name, slot + 1);
        }

        @Override
        public void await() {
            while (!ended) {
                Operation next = begun.contains(this) ? begun.remove() : this;
                next.finish();
            }
            if (failure != null) {
                throw failure;
            }
        }

        private void finish() {
            try (TensorScope scope = new TensorScope()) {
                exchange.await(rendezvous.timeout());
                rest.run();
                end(null);
            } catch (RuntimeException e) {
                end(e);
            }
        }

        void end(@Nullable RuntimeException failure) {
            ended = true;
            this.failure = failure;
            held.close();
        }
    }
}

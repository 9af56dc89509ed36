// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.time.Duration;
import java.util.List;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.AllreduceOptions;
import org.bytedeco.pytorch.BroadcastOptions;
import org.bytedeco.pytorch.FileStore;
import org.bytedeco.pytorch.PrefixStore;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.ReduceOp;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.Work;
import org.chorale.tensor.HeldTensors;
import org.chorale.tensor.TensorScope;

/** A group of ranks on CPUs, over TCP. */
public final class GlooCollectives implements Collectives {
    private static final int THREADS = 2;

    private final int rank;
    private final int worldSize;
    private final ProcessGroupGloo group;
    private final FileStore store;
    private final Rendezvous rendezvous;
    private final HeldTensors held = new HeldTensors();

    private GlooCollectives(Rendezvous rendezvous, FileStore store, String name, int rank, int worldSize) {
        this.rendezvous = rendezvous;
        this.rank = rank;
        this.worldSize = worldSize;
        try (TensorScope scope = new TensorScope()) {
            ProcessGroupGloo.Options options = ProcessGroupGloo.Options.create(milliseconds(rendezvous.timeout()));
            options.devices().push_back(ProcessGroupGloo.createDeviceForHostname(rendezvous.host()));
            options.threads(THREADS);
            this.store = held.hold(store);
            PrefixStore prefix = held.hold(new PrefixStore(name, store.clone()));
            this.group = held.hold(new ProcessGroupGloo(prefix.clone(), rank, worldSize, options));
        } catch (RuntimeException e) {
            throw new CollectiveException("rank " + rank + " of " + worldSize + " could not join", e);
        }
    }

    /** Joins the group of all ranks. */
    public static Collectives join(Rendezvous rendezvous, int rank, int worldSize) {
        if (worldSize == 1) {
            return new SingleRank();
        }
        try (TensorScope scope = new TensorScope()) {
            FileStore store = new FileStore(rendezvous.folder().resolve("store").toString(), worldSize);
            store.setTimeout(milliseconds(rendezvous.timeout()));
            return new GlooCollectives(rendezvous, store, "world", rank, worldSize);
        }
    }

    @Override
    public Collectives subgroup(String name, List<Integer> ranks) {
        Operands.checkSubgroup(name, ranks, rank, worldSize);
        int place = ranks.indexOf(rank);
        return ranks.size() == 1 ? new SingleRank() : new GlooCollectives(rendezvous, store, name, place, ranks.size());
    }

    private static Milliseconds milliseconds(Duration timeout) {
        return new Milliseconds(timeout.toMillis());
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
        Operands.checkPart("allGather", whole, part, worldSize);
        try (TensorScope scope = new TensorScope()) {
            return begun("allGather", group._allgather_base(whole, part));
        }
    }

    @Override
    public Pending reduceScatter(Tensor part, Tensor whole) {
        Operands.checkPart("reduceScatter", whole, part, worldSize);
        Operands.checkReducible("reduceScatter", whole);
        try (TensorScope scope = new TensorScope()) {
            return begun("reduceScatter", group._reduce_scatter_base(part, whole));
        }
    }

    @Override
    public Pending allReduce(Tensor values, Reduction reduction) {
        Operands.checkReducible("allReduce", values);
        try (TensorScope scope = new TensorScope()) {
            AllreduceOptions options = new AllreduceOptions();
            options.reduceOp(
                    new ReduceOp(reduction == Reduction.SUM ? ReduceOp.RedOpType.SUM : ReduceOp.RedOpType.MAX));
            return begun("allReduce", group.allreduce(new TensorVector(values), options));
        }
    }

    @Override
    public Pending broadcast(Tensor values, int root) {
        Operands.checkBuffer("broadcast", values);
        Operands.checkRank("broadcast", root, worldSize);
        try (TensorScope scope = new TensorScope()) {
            BroadcastOptions options = new BroadcastOptions();
            options.rootRank(root);
            return begun("broadcast", group.broadcast(new TensorVector(values), options));
        }
    }

    @Override
    public Pending send(Tensor values, int to) {
        Operands.checkBuffer("send", values);
        Operands.checkPeer("send", to, rank, worldSize);
        try (TensorScope scope = new TensorScope()) {
            return begun("send", group.send(new TensorVector(values), to, 0));
        }
    }

    @Override
    public Pending receive(Tensor values, int from) {
        Operands.checkBuffer("receive", values);
        Operands.checkPeer("receive", from, rank, worldSize);
        try (TensorScope scope = new TensorScope()) {
            return begun("receive", group.recv(new TensorVector(values), from, 0));
        }
    }

    @Override
    public Pending barrier() {
        try (TensorScope scope = new TensorScope()) {
            return begun("barrier", group.barrier());
        }
    }

    @Override
    public void abort() {}

    @Override
    public void close() {
        held.close();
    }

    private Pending begun(String operation, Work work) {
        HeldTensors owner = new HeldTensors();
        owner.hold(work);
        return () -> {
            try {
                work._wait();
            } catch (RuntimeException e) {
                throw new CollectiveException(operation + " on rank " + rank + " of " + worldSize, e);
            } finally {
                owner.close();
            }
        };
    }
}

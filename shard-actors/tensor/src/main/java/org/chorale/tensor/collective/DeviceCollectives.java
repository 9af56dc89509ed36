// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.profile.Recording;

/**
 * One group by two ways between the same ranks: tensors of a GPU go over NCCL, those of the host over TCP. Each way
 * breaks with the other, so the TCP connections tell a rank at once that another one is gone, which NCCL never does.
 */
public final class DeviceCollectives implements Collectives {
    private final Collectives host;
    private final Collectives device;

    /** Takes both over. They have the same ranks in the same places. */
    public DeviceCollectives(Collectives host, NcclCollectives device) {
        this(host, (Collectives) device);
        device.breakWith(host);
    }

    private DeviceCollectives(Collectives host, Collectives device) {
        if (host.rank() != device.rank() || host.worldSize() != device.worldSize()) {
            throw new IllegalArgumentException("rank %d of %d on the host cannot be rank %d of %d on the GPUs"
                    .formatted(host.rank(), host.worldSize(), device.rank(), device.worldSize()));
        }
        this.host = host;
        this.device = device;
    }

    private Collectives of(Tensor tensor) {
        return tensor.is_cuda() ? device : host;
    }

    @Override
    public int rank() {
        return host.rank();
    }

    @Override
    public int worldSize() {
        return host.worldSize();
    }

    @Override
    public Collectives subgroup(String name, List<Integer> ranks) {
        Collectives onHost = host.subgroup(name, ranks);
        try {
            return new DeviceCollectives(onHost, device.subgroup(name, ranks));
        } catch (RuntimeException e) {
            onHost.close();
            throw e;
        }
    }

    @Override
    public Pending allGather(Tensor whole, Tensor part) {
        return of(whole).allGather(whole, part);
    }

    @Override
    public Pending reduceScatter(Tensor part, Tensor whole) {
        return of(whole).reduceScatter(part, whole);
    }

    @Override
    public Pending allReduce(Tensor values, Reduction reduction) {
        return of(values).allReduce(values, reduction);
    }

    @Override
    public Pending broadcast(Tensor values, int root) {
        return of(values).broadcast(values, root);
    }

    @Override
    public Pending send(Tensor values, int to) {
        return of(values).send(values, to);
    }

    @Override
    public Pending receive(Tensor values, int from) {
        return of(values).receive(values, from);
    }

    /** On the host. */
    @Override
    public Pending barrier() {
        return host.barrier();
    }

    @Override
    public void check() {
        device.check();
        host.check();
    }

    @Override
    public void abort() {
        device.abort();
        host.abort();
    }

    @Override
    public List<Flight> flights() {
        return device.flights();
    }

    @Override
    public void recordIn(Recording recording) {
        device.recordIn(recording);
    }

    @Override
    public void close() {
        device.close();
        host.close();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.message.GroupKey;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.CollectiveException;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.device.Device;

/**
 * Where the ranks of one generation form the group of their devices. Rank 0 makes its key and has it told; the shards of
 * the others, deaf as they are, wait for it here, where their workers bring it.
 */
final class DeviceMeeting {
    private static final long POLL_MILLIS = 5;

    private final Function<Device, Optional<DeviceLink>> links;
    private final Consumer<GroupKey> others;
    private final BlockingQueue<GroupKey> key = new ArrayBlockingQueue<>(1);

    /** @param others told the key by rank 0 */
    DeviceMeeting(Function<Device, Optional<DeviceLink>> links, Consumer<GroupKey> others) {
        this.links = links;
        this.others = others;
    }

    /** The key has come; called from the worker's thread. A second one counts for nothing. */
    void bring(GroupKey made) {
        key.offer(made);
    }

    /**
     * The group of all ranks for tensors wherever they are: the given one where ranks compute on CPUs, or there is one.
     *
     * @param host all ranks, which have come
     * @throws FaultException where some ranks compute with GPUs and others do not
     * @throws CollectiveException where the key does not come in time, a rank does not join, or once cancelled
     */
    Collectives join(Collectives host, Device device, Duration patience, BooleanSupplier cancelled) {
        if (host.worldSize() == 1) {
            return host;
        }
        refuseUnlike(host, device);
        Optional<DeviceLink> link = links.apply(device);
        if (link.isEmpty()) {
            return host;
        }
        byte[] bytes = host.rank() == 0 ? made(link.get()) : brought(host.rank(), patience, cancelled);
        try {
            return link.get().join(host, bytes, patience, cancelled);
        } finally {
            Arrays.fill(bytes, (byte) 0);
        }
    }

    private byte[] made(DeviceLink link) {
        byte[] bytes = link.newKey();
        others.accept(new GroupKey(bytes.clone()));
        return bytes;
    }

    private byte[] brought(int rank, Duration patience, BooleanSupplier cancelled) {
        long startNanos = System.nanoTime();
        while (!cancelled.getAsBoolean()) {
            Optional<GroupKey> there = nextKey(rank);
            if (there.isPresent()) {
                return there.get().bytes().clone();
            } else if (System.nanoTime() - startNanos > patience.toNanos()) {
                throw new CollectiveException(
                        "rank %d has waited %d s for the key of its group, which rank 0 makes and the coordinator passes on"
                                .formatted(rank, patience.toSeconds()));
            }
        }
        throw new CollectiveException("rank %d waited for the key of its group when it was given up".formatted(rank));
    }

    private Optional<GroupKey> nextKey(int rank) {
        try {
            return Optional.ofNullable(key.poll(POLL_MILLIS, TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CollectiveException("rank %d was interrupted while it waited for a key".formatted(rank), e);
        }
    }

    /** All ranks find out, so that all of them say the same. */
    private static void refuseUnlike(Collectives host, Device device) {
        boolean[] onGpu = gpus(host, device);
        String with = ranks(onGpu, true);
        String without = ranks(onGpu, false);
        if (!with.isEmpty() && !without.isEmpty()) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    ("parallel.device = auto: found GPUs for rank %s and none for rank %s, and all ranks must compute with the"
                                    + " same: set parallel.device = cpu, or = cuda, for which chorale doctor says on each"
                                    + " node what it lacks")
                            .formatted(with, without));
        }
    }

    /** By rank, whether it computes with a GPU. */
    private static boolean[] gpus(Collectives host, Device device) {
        try (TensorScope scope = new TensorScope()) {
            Tensor own = HostTensors.ofLongs(new long[] {device.isCuda() ? 1 : 0}, 1);
            Tensor all = HostTensors.zeros(ScalarType.Long, host.worldSize());
            host.allGather(all, own).await();
            boolean[] gpus = new boolean[host.worldSize()];
            for (int rank = 0; rank < gpus.length; rank++) {
                gpus[rank] = all.select(0, rank).item_long() == 1;
            }
            return gpus;
        }
    }

    private static String ranks(boolean[] onGpu, boolean wanted) {
        return String.join(
                ", ",
                IntStream.range(0, onGpu.length)
                        .filter(rank -> onGpu[rank] == wanted)
                        .mapToObj(String::valueOf)
                        .toList());
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.chorale.tensor.HostTensors;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.DeviceCollectives;
import org.chorale.tensor.collective.GlooCollectives;
import org.chorale.tensor.collective.NcclCollectives;
import org.chorale.tensor.collective.Rendezvous;
import org.chorale.tensor.device.Device;

/**
 * Where one of the {@link RankProcesses} stands, and how it meets the others, all on this machine.
 *
 * @param device as {@link RankDevices} has it
 */
record RankPlace(Path folder, int rank, int worldSize, Device device) {
    /** How many {@link RankProcesses} puts first. */
    static final int ARGUMENTS = 3;

    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    /**
     * That of this process, which ends when the one that started it does.
     *
     * @param arguments those that {@link RankProcesses} puts first
     */
    static RankPlace of(String[] arguments, RankDevices devices) {
        ProcessHandle.current().parent().ifPresent(RankPlace::endWith);
        int rank = Integer.parseInt(arguments[1]);
        return new RankPlace(Path.of(arguments[0]), rank, Integer.parseInt(arguments[2]), devices.of(rank));
    }

    private static void endWith(ProcessHandle parent) {
        Thread watch = new Thread(
                () -> {
                    parent.onExit().join();
                    Runtime.getRuntime().halt(1);
                },
                "watch-parent");
        watch.setDaemon(true);
        watch.start();
    }

    /** Over TCP on the loopback address, and on GPUs over NCCL besides. */
    Collectives join(String name) {
        Collectives host = joinHost(name);
        return device.isCuda() ? new DeviceCollectives(host, joinDevice(host)) : host;
    }

    /** Over NCCL alone, so that nothing tells of a rank's death; on the CPU over TCP. */
    Collectives joinAlone(String name) {
        if (!device.isCuda()) {
            return joinHost(name);
        }
        try (Collectives host = joinHost(name)) {
            return joinDevice(host);
        }
    }

    private Collectives joinHost(String name) {
        try {
            Path meeting = Files.createDirectories(folder.resolve(name));
            return GlooCollectives.join(new Rendezvous(meeting, "127.0.0.1", TIMEOUT), rank, worldSize, () -> false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private NcclCollectives joinDevice(Collectives host) {
        return NcclCollectives.join(uniqueId(host), device, rank, worldSize, TIMEOUT, () -> false);
    }

    private static byte[] uniqueId(Collectives host) {
        byte[] id = host.rank() == 0 ? NcclCollectives.newUniqueId() : new byte[NcclCollectives.ID_BYTES];
        try (TensorScope scope = new TensorScope()) {
            Tensor values = HostTensors.empty(ScalarType.Long, id.length);
            LongBuffer buffer = values.createBuffer();
            for (int i = 0; i < id.length; i++) {
                buffer.put(i, id[i]);
            }
            host.broadcast(values, 0).await();
            for (int i = 0; i < id.length; i++) {
                id[i] = (byte) buffer.get(i);
            }
            return id;
        }
    }
}

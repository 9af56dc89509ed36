// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.time.Duration;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.device.Device;

/** How ranks whose tensors are on devices form a group of them, beside the one over which their hosts speak. */
interface DeviceLink {
    /** Makes what lets a rank into the group; rank 0 does. */
    byte[] newKey();

    /**
     * Joins the others; waits until all are there.
     *
     * @param host the group of the same ranks for tensors in host memory, which is part of the result and closes with it
     * @param key as rank 0 has made it
     * @param patience longest wait, now and in every operation
     * @param cancelled asked during waits: whether to give up
     */
    Collectives join(Collectives host, byte[] key, Duration patience, BooleanSupplier cancelled);

    /** That of a worker that has its process to itself; none on the CPU. */
    static Optional<DeviceLink> of(Device device) {
        return device.isCuda() ? Optional.of(new NcclDeviceLink(device)) : Optional.empty();
    }

    /** That of workers that share a process, in which one cannot be given up without the others. */
    static Optional<DeviceLink> ofShared(Device device) {
        if (device.isCuda()) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    "several workers on GPUs need a process each: set parallel.isolation = process,"
                            + " or parallel.workers = 1, or parallel.device = cpu");
        }
        return Optional.empty();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.chorale.tensor.collective.Collectives;
import org.chorale.tensor.collective.DeviceCollectives;
import org.chorale.tensor.collective.NcclCollectives;
import org.chorale.tensor.device.Device;

/**
 * Over NCCL, with which the group of the hosts breaks, and the other way round.
 *
 * @param device of this rank, bound to the thread that joins
 */
record NcclDeviceLink(Device device) implements DeviceLink {
    @Override
    public byte[] newKey() {
        return NcclCollectives.newUniqueId();
    }

    @Override
    public Collectives join(Collectives host, byte[] key, Duration patience, BooleanSupplier cancelled) {
        return new DeviceCollectives(
                host, NcclCollectives.join(key, device, host.rank(), host.worldSize(), patience, cancelled));
    }
}

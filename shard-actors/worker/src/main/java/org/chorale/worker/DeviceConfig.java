// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.Locale;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;

/**
 * The key {@code parallel.device}: what a worker computes with.
 *
 * @param device auto takes the GPU of the worker's slot where the node has one for it, else the CPU
 */
public record DeviceConfig(Kind device) {
    /** What the key may hold. */
    public enum Kind {
        AUTO,
        CPU,
        CUDA
    }

    /**
     * The device of a worker.
     *
     * @param slot of its node, from 0
     * @param gpus that its process can use
     * @throws FaultException where there is none of the kind that was asked for, or its node has fewer than it has workers
     */
    Device of(int slot, int gpus) {
        if (device == Kind.CPU || (device == Kind.AUTO && gpus == 0)) {
            return Device.CPU;
        }
        if (slot >= gpus) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    ("parallel.device = %s: the worker in slot %d of its node finds %d GPU(s), and each worker needs its own:"
                                    + " set parallel.workers or chorale node --slots to their number; chorale doctor says"
                                    + " what is missing")
                            .formatted(word(), slot, gpus));
        }
        return Device.cuda(slot);
    }

    private String word() {
        return device.name().toLowerCase(Locale.ROOT);
    }
}

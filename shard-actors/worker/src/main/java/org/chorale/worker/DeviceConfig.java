// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.Locale;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;

/**
 * The keys {@code parallel.device} and {@code parallel.memory-fraction}: what a worker computes with.
 *
 * @param device auto takes the GPU of the worker's slot where the node has one for it, else the CPU
 * @param memoryFraction of the GPU's whole memory that the worker's tensors may take
 */
public record DeviceConfig(Kind device, double memoryFraction) {
    /** What the key may hold. */
    public enum Kind {
        AUTO,
        CPU,
        CUDA
    }

    public DeviceConfig {
        if (!(memoryFraction > 0 && memoryFraction <= 1)) {
            throw new IllegalArgumentException(
                    "parallel.memory-fraction = %s: must be above 0 and at most 1".formatted(memoryFraction));
        }
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

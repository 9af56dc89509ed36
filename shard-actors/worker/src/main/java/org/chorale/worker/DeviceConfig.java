// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.Locale;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;

/**
 * The keys {@code parallel.device} and {@code parallel.memory-fraction}: what a worker computes with.
 *
 * @param device auto takes the GPU of the worker's slot where the node has one for it, else the CPU; cuda-shared lets the
 *     slots share the node's GPUs in turns
 * @param memoryFraction of the GPU's whole memory that the worker's tensors may take
 */
public record DeviceConfig(Kind device, double memoryFraction) {
    /** What the key may hold. */
    public enum Kind {
        AUTO,
        CPU,
        CUDA,
        CUDA_SHARED
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
        if (gpus == 0 || (slot >= gpus && device != Kind.CUDA_SHARED)) {
            throw new FaultException(
                    FaultCode.CONFIG_INVALID,
                    ("parallel.device = %s: the worker in slot %d of its node finds %d GPU(s), and each worker needs %s;"
                                    + " chorale doctor says what is missing")
                            .formatted(word(), slot, gpus, needs()));
        }
        return Device.cuda(slot % gpus);
    }

    private String needs() {
        return device == Kind.CUDA_SHARED
                ? "one, if only a share of it"
                : "its own: set parallel.workers or chorale node --slots to their number";
    }

    /** Whether several workers of a resolved configuration may find themselves on one GPU. */
    public static boolean sharesGpus(String runConf) {
        return ConfigReader.read(runConf, "parallel", DeviceConfig.class).device == Kind.CUDA_SHARED;
    }

    private String word() {
        return device.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}

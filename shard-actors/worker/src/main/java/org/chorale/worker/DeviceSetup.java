// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.ArrayList;
import java.util.List;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;
import org.chorale.tensor.device.DeviceMemory;
import org.chorale.tensor.device.Tf32;
import org.chorale.training.PrecisionConfig;
import org.chorale.worker.DeviceConfig.Kind;

/** The keys of a run that say what its workers compute with, and how that is set up. */
public record DeviceSetup(DeviceConfig device, PrecisionConfig precision) {
    /** Those of a resolved configuration. */
    static DeviceSetup of(String runConf) {
        return new DeviceSetup(
                ConfigReader.read(runConf, "parallel", DeviceConfig.class),
                ConfigReader.read(runConf, "", PrecisionConfig.class));
    }

    /** A line for each key that the CPU would ignore, where the CPU is what is asked for. */
    public List<String> problems() {
        return device.device() == Kind.CPU ? ignoredByCpu() : List.of();
    }

    /**
     * Sets a device up for the calling thread, before anything is made on it.
     *
     * @throws FaultException where it is the CPU and a key is set that only a GPU heeds
     */
    void apply(Device chosen) {
        if (chosen.isCuda()) {
            chosen.bind();
            DeviceMemory.setFraction(chosen, device.memoryFraction());
            Tf32.allow(precision.tf32());
        } else if (!ignoredByCpu().isEmpty()) {
            throw new FaultException(FaultCode.CONFIG_INVALID, String.join("\n", ignoredByCpu()));
        }
    }

    private List<String> ignoredByCpu() {
        List<String> problems = new ArrayList<>();
        if (device.memoryFraction() < 1) {
            problems.add("parallel.memory-fraction = %s: is of a GPU's memory, and the CPU computes here; must be 1"
                    .formatted(device.memoryFraction()));
        }
        if (precision.tf32()) {
            problems.add("tf32 = true: is a way in which GPUs multiply, and the CPU computes here; must be false");
        }
        return problems;
    }
}

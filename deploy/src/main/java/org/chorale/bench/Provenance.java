// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.LocalDate;
import java.time.ZoneOffset;
import org.bytedeco.pytorch.global.torch_cuda;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.device.Device;

/**
 * Where a result comes from, without which it is none.
 *
 * @param date of the day, in UTC
 * @param machine that computed
 * @param command that measures it again
 */
record Provenance(String date, String machine, String command) {
    static Provenance of(Device device, String... arguments) {
        String today = LocalDate.now(ZoneOffset.UTC).toString();
        return new Provenance(today, machine(device), "deploy/bench/gpu " + String.join(" ", arguments));
    }

    private static String machine(Device device) {
        if (!device.isCuda()) {
            return "CPU with %d cores".formatted(Runtime.getRuntime().availableProcessors());
        }
        try (TensorScope scope = new TensorScope()) {
            return torch_cuda.getDeviceProperties((byte) device.index()).name().getString();
        }
    }

    /** The same object. */
    ObjectNode addTo(ObjectNode result) {
        return result.put("date", date).put("machine", machine).put("command", command);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import org.chorale.tensor.device.Device;

/** What the {@link RankProcesses} of a program compute with, as a word among its arguments says. */
enum RankDevices {
    CPU,
    /** Each rank with a GPU of its own. */
    CUDA,
    /** All ranks on the first GPU: nothing is measured by that, but it shows whether many ranks give what one gives. */
    CUDA_SHARED;

    /** The one that is named, alone or as {@code device=}; GPUs where none is. */
    static RankDevices among(Collection<String> arguments) {
        if (CPU.isAmong(arguments)) {
            return CPU;
        }
        return CUDA_SHARED.isAmong(arguments) ? CUDA_SHARED : CUDA;
    }

    private boolean isAmong(Collection<String> arguments) {
        return arguments.contains(word()) || arguments.contains("device=" + word());
    }

    String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    Device of(int rank) {
        return switch (this) {
            case CPU -> Device.CPU;
            case CUDA -> Device.cuda(rank);
            case CUDA_SHARED -> Device.cuda(0);
        };
    }

    /** NCCL refuses two ranks of one machine on one GPU: here each says that it is on a machine of its own. */
    Map<String, String> environment(int rank) {
        return this == CUDA_SHARED ? Map.of("NCCL_HOSTID", "rank-" + rank, "NCCL_SOCKET_IFNAME", "=lo") : Map.of();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.collective;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** What a rank sends to its peers and receives from them at once, for one operation. Empty tensors go nowhere. */
final class Exchange {
    private final Mesh mesh;
    private final String operation;
    private final long slot;
    private final List<Transfer> receives = new ArrayList<>();
    private final List<Transfer> sends = new ArrayList<>();

    /** @param slot tells this exchange from the others that are under way between the same ranks */
    Exchange(Mesh mesh, String operation, long slot) {
        this.mesh = mesh;
        this.operation = operation;
        this.slot = slot;
    }

    void send(int peer, Tensor values) {
        if (values.numel() > 0) {
            sends.add(mesh.send(operation, peer, slot, values));
        }
    }

    void receive(int peer, Tensor values) {
        if (values.numel() > 0) {
            receives.add(mesh.receive(operation, peer, slot, values));
        }
    }

    /** Waits until all has been sent and all is there. */
    void await(Duration timeout) {
        long deadlineNanos = System.nanoTime() + timeout.toNanos();
        receives.forEach(transfer -> transfer.awaitReceived(deadlineNanos));
        sends.forEach(transfer -> transfer.awaitSent(deadlineNanos));
    }
}

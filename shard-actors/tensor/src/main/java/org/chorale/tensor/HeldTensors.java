// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import java.util.ArrayDeque;
import java.util.Deque;
import org.bytedeco.javacpp.Pointer;

/**
 * The owner of native objects that outlive the scope they were made in: parameters, optimizer state, cached constants.
 */
public final class HeldTensors implements AutoCloseable {
    private final Deque<Pointer> held = new ArrayDeque<>();

    /** Holds an object until this closes. */
    public <P extends Pointer> P hold(P object) {
        held.push(NativeMemory.retain(object));
        return object;
    }

    /** Frees everything held, the newest first. May be called again. */
    @Override
    public void close() {
        while (!held.isEmpty()) {
            NativeMemory.release(held.pop());
        }
    }
}

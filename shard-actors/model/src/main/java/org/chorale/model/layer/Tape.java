// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model.layer;

import java.util.ArrayDeque;
import java.util.Deque;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.chorale.tensor.NativeMemory;

/**
 * What a forward saves for its backward: a stack, pushed in forward and popped in reverse.
 *
 * <p>The tape owns what lies on it. A popped tensor belongs to the innermost open scope.
 */
public final class Tape implements AutoCloseable {
    private final Deque<Tensor> saved = new ArrayDeque<>();
    private long bytes;

    /** Saves tensors; the last one is popped first. */
    public void push(Tensor... tensors) {
        for (Tensor tensor : tensors) {
            saved.push(NativeMemory.retain(tensor));
            bytes += tensor.nbytes();
        }
    }

    /**
     * The newest saved tensor.
     *
     * @throws java.util.NoSuchElementException where a backward pops more than its forward pushed
     */
    public Tensor pop() {
        Tensor tensor = saved.pop();
        bytes -= tensor.nbytes();
        PointerScope.getInnerScope().attach(tensor);
        NativeMemory.release(tensor);
        return tensor;
    }

    /** Bytes of the tensors that lie here now. */
    public long bytes() {
        return bytes;
    }

    /** Drops whatever is left: nothing after a whole backward, everything after a forward alone. */
    @Override
    public void close() {
        saved.forEach(NativeMemory::release);
        saved.clear();
        bytes = 0;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.Iterator;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * Frees every native object that its thread makes between the braces, except what is kept by name.
 *
 * <pre>{@code
 * try (TensorScope scope = new TensorScope()) {
 *     Tensor dots = q.matmul(k.transpose(-2, -1)); // [B, N, T, T]
 *     return scope.keep(dots.mul(inverseRootHeadWidth));
 * }
 * }</pre>
 *
 * <p>Scopes nest and belong to their thread: open and close one in the same method.
 */
public final class TensorScope extends PointerScope {
    private int references;

    @MustBeClosed
    public TensorScope() {}

    /**
     * Hands a tensor to the scope around this one, which frees it in its turn.
     *
     * @throws IllegalStateException where no scope is around: the tensor would have no owner. A {@link HeldTensors}
     *     holds what outlives all scopes.
     */
    public Tensor keep(Tensor tensor) {
        around().attach(tensor);
        return tensor;
    }

    @Override
    public PointerScope attach(Pointer object) {
        super.attach(object);
        references++;
        NativeMemory.count(1);
        return this;
    }

    @Override
    public PointerScope detach(Pointer object) {
        super.detach(object);
        references--;
        NativeMemory.count(-1);
        return this;
    }

    @Override
    public void close() {
        super.close();
        NativeMemory.count(-references);
        references = 0;
    }

    private PointerScope around() {
        Iterator<PointerScope> scopes = PointerScope.getScopeIterator();
        while (scopes != null && scopes.hasNext()) {
            if (scopes.next() == this && scopes.hasNext()) {
                return scopes.next();
            }
        }
        throw new IllegalStateException("nothing to keep a tensor in: no scope is open around this one");
    }
}

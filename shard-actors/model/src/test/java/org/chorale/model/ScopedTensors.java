// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.model;

import org.bytedeco.pytorch.global.torch;
import org.chorale.tensor.TensorScope;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/** Tensors of a test live until its end, and its random numbers are the same each time. */
public final class ScopedTensors implements BeforeEachCallback {
    private static final Namespace NAMESPACE = Namespace.create(ScopedTensors.class);
    private static final long SEED = 17;

    @Override
    @SuppressWarnings("MustBeClosedChecker") // the store closes what it holds when the test ends
    public void beforeEach(ExtensionContext context) {
        torch.manual_seed(SEED);
        context.getStore(NAMESPACE).put(TensorScope.class, new TensorScope());
    }
}

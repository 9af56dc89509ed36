// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.util.Optional;

/** Machine code for sources, from the cache where it has it. */
final class KernelBinaries {
    private final KernelCompiler compiler;
    private final KernelCache cache;

    KernelBinaries(KernelCompiler compiler, KernelCache cache) {
        this.compiler = compiler;
        this.cache = cache;
    }

    static KernelBinaries ofThisProcess() {
        return new KernelBinaries(new Nvrtc(), KernelCache.of(System.getProperties(), System.getenv()));
    }

    byte[] of(KernelSource source, int architecture) {
        String key = source.key(architecture, compiler.version());
        Optional<byte[]> known = cache.read(key);
        if (known.isPresent()) {
            return known.get();
        }
        byte[] code = compiler.compile(source, source.options(architecture));
        cache.write(key, code);
        return code;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor.kernel;

import java.util.List;

/** Makes machine code of kernel sources. */
interface KernelCompiler {
    /** Of the compiler; another one's machine code is not used. */
    String version();

    /**
     * The source's machine code for one architecture (a CUBIN).
     *
     * @throws KernelException with the compiler's messages where the source is wrong
     */
    byte[] compile(KernelSource source, List<String> options);
}

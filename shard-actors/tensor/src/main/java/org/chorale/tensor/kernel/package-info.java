/** Kernels of our own: CUDA sources that are compiled for the GPU at hand, cached on disk, and launched beside libtorch's. */
@NullMarked
package org.chorale.tensor.kernel;

import org.jspecify.annotations.NullMarked;

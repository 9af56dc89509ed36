/**
 * Stands below the layers: what of their arithmetic libtorch has no single operator for, each piece as a kernel for the GPU
 * and as libtorch's own operators, which are its reference and its way on the CPU.
 */
@NullMarked
package org.chorale.model.kernel;

import org.jspecify.annotations.NullMarked;

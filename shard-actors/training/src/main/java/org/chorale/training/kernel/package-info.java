/** Kernels for loss, norm and optimizer, beside what computes the same with libtorch's own operators. */
@NullMarked
package org.chorale.training.kernel;

import org.jspecify.annotations.NullMarked;

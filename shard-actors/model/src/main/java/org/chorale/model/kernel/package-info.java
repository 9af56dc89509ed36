/** Kernels for what layers compute, each beside a twin of libtorch's own operators. */
@NullMarked
package org.chorale.model.kernel;

import org.jspecify.annotations.NullMarked;

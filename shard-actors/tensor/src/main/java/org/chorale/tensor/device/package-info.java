/** Where tensors live: host memory or a GPU, and how values get from the one to the other. */
@NullMarked
package org.chorale.tensor.device;

import org.jspecify.annotations.NullMarked;

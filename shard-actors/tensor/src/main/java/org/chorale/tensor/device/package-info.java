/** Where tensors live: host memory or a GPU, how values get from the one to the other, and what streams do at once. */
@NullMarked
package org.chorale.tensor.device;

import org.jspecify.annotations.NullMarked;

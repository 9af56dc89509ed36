/** libtorch made safe: every native object has an owner in braces. */
@NullMarked
package org.chorale.tensor;

import org.jspecify.annotations.NullMarked;

@NullMarked
package org.chorale.tensor.kernel;

import org.jspecify.annotations.NullMarked;

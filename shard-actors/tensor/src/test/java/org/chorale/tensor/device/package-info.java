@NullMarked
package org.chorale.tensor.device;

import org.jspecify.annotations.NullMarked;

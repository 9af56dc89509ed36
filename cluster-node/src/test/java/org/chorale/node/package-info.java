/** Tests of how the modules fit together. */
@NullMarked
package org.chorale.node;

import org.jspecify.annotations.NullMarked;

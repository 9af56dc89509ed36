/** Beside the flow: files that reach the run directory whole or not at all, and are known by their contents. */
@NullMarked
package org.chorale.data.disk;

import org.jspecify.annotations.NullMarked;

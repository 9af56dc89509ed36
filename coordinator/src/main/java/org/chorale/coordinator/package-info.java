/** Stands above the flow: decides which worker does what next, records what was done, and commits checkpoints. */
@NullMarked
package org.chorale.coordinator;

import org.jspecify.annotations.NullMarked;

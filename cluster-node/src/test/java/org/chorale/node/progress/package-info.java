/** Tests of how a run is shown. */
@NullMarked
package org.chorale.node.progress;

import org.jspecify.annotations.NullMarked;

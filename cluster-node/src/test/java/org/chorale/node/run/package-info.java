/** Tests of how a run is started, watched and stopped. */
@NullMarked
package org.chorale.node.run;

import org.jspecify.annotations.NullMarked;

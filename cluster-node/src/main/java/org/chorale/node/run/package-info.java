/** One run in one actor system of this process: who is started, who is watched, and how it is stopped. */
@NullMarked
package org.chorale.node.run;

import org.jspecify.annotations.NullMarked;

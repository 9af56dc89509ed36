/** How an actor tells whether the thread that it waits for works or hangs, which every sender of StillWorking needs. */
@NullMarked
package org.chorale.proto.pulse;

import org.jspecify.annotations.NullMarked;

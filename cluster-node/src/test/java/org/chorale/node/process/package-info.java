/** Tests of the program as a process: killed, interrupted, started again. */
@NullMarked
package org.chorale.node.process;

import org.jspecify.annotations.NullMarked;

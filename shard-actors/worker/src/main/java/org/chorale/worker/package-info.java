/** The two actors of a worker process: one computes and is deaf while it does, the other never blocks. */
@NullMarked
package org.chorale.worker;

import org.jspecify.annotations.NullMarked;

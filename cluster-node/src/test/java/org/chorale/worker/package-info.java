/** What a configuration becomes in a worker: tested here, where configurations are read. */
@NullMarked
package org.chorale.worker;

import org.jspecify.annotations.NullMarked;

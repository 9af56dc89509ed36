/** What feeders send and workers pull: micro-batches as named columns of plain bytes. */
@NullMarked
package org.chorale.proto.batch;

import org.jspecify.annotations.NullMarked;

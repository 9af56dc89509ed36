/**
 * Documents in, batches out: the feeder reads examples in the order of the run and hands workers the batches that they
 * ask for. Read {@link org.chorale.data.BatchStream} first, then the packages below along the data: {@code order},
 * {@code source}, {@code template}, {@code tokenizer}, {@code example}, {@code measure}.
 */
@NullMarked
package org.chorale.data;

import org.jspecify.annotations.NullMarked;

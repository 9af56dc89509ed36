/** The train step: micro-batches in, one optimizer step out. */
@NullMarked
package org.chorale.training;

import org.jspecify.annotations.NullMarked;

/** Losses: a sum, a weight, and the gradient of the sum. */
@NullMarked
package org.chorale.training.loss;

import org.jspecify.annotations.NullMarked;

/** The proof of a model's numerics against what the reference implementation computed. */
@NullMarked
package org.chorale.training.golden;

import org.jspecify.annotations.NullMarked;

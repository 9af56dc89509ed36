/** The first step of a batch: which examples a step is made of, as pure functions of numbers. */
@NullMarked
package org.chorale.data.order;

import org.jspecify.annotations.NullMarked;

/** Factors in FP8: bf16 matrices become eight bits and a scale on their way into a linear's products. */
@NullMarked
package org.chorale.model.fp8;

import org.jspecify.annotations.NullMarked;

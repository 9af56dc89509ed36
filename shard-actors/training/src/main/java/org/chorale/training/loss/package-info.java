/**
 * Losses: components that end a pipeline, and the fused cross entropy that plain language-model training ends with. Each
 * gives sums and weights, which add up exactly over micro-batches and ranks of any size.
 */
@NullMarked
package org.chorale.training.loss;

import org.jspecify.annotations.NullMarked;

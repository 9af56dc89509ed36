/**
 * An example of a pipeline from end to end, for those who write their own: a masked language model in plain libtorch with
 * every kind of component. {@code deploy/recipes/masked.conf} trains it, and {@link org.chorale.example.MaskedTraining}
 * builds the same in Java. {@code org.chorale.example.moons} has a diffusion model.
 */
@NullMarked
package org.chorale.example;

import org.jspecify.annotations.NullMarked;

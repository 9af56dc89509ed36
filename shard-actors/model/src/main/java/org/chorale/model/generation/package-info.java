/** Text, token by token: a model with its cache gives logits, a sampler chooses, until something says stop. */
@NullMarked
package org.chorale.model.generation;

import org.jspecify.annotations.NullMarked;

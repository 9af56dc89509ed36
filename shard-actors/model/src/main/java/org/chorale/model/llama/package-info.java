/** The Llama family: configuration, block, model, first weights. */
@NullMarked
package org.chorale.model.llama;

import org.jspecify.annotations.NullMarked;

/** The decoder that all families are settings of: configuration, block, model, first weights. */
@NullMarked
package org.chorale.model.decoder;

import org.jspecify.annotations.NullMarked;

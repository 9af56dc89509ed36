/** What a rank holds of a model: units with flat buffers, and the model over them. */
@NullMarked
package org.chorale.training.shard;

import org.jspecify.annotations.NullMarked;

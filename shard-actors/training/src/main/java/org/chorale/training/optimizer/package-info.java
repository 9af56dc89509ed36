/** AdamW over the flat buffers of a shard, and the learning rate of each step. */
@NullMarked
package org.chorale.training.optimizer;

import org.jspecify.annotations.NullMarked;

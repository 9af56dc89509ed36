/**
 * Between the plan and the train step: a rank's part of a model. Units hold their parts in flat buffers; a {@link
 * org.chorale.training.shard.UnitSchedule} gathers the whole values while the model uses them, and reduces the gradients.
 */
@NullMarked
package org.chorale.training.shard;

import org.jspecify.annotations.NullMarked;

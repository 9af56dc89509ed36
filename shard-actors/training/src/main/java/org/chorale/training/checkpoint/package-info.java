/** A rank's part of a checkpoint, and the model folder that a run leaves. */
@NullMarked
package org.chorale.training.checkpoint;

import org.jspecify.annotations.NullMarked;

/**
 * The user's way in: a {@link org.chorale.pipeline.Pipeline} is built of a model, data, stages and an optimizer, drawn, and
 * run. It makes the same configuration as a run's file and runs through the same actors. The stages that users write
 * implement the interfaces of {@code org.chorale.training.pipeline}.
 */
@NullMarked
package org.chorale.pipeline;

import org.jspecify.annotations.NullMarked;

/**
 * What stands before and after a model, as its users write it: {@code batch → PreProcessor… → model → PostProcessor… →
 * LossCalculator}, with a {@link org.chorale.training.pipeline.Context} beside each micro-batch.
 *
 * <p><b>Memory.</b> Native tensors have no garbage collector here. Whatever a component makes while it processes a
 * micro-batch is freed when that micro-batch is done, and nothing earlier, unless the component opens a
 * {@link org.chorale.tensor.TensorScope} of its own: then it {@code keep}s what it returns. What is put into the context
 * lives as long as the micro-batch in any case. A component that wants a tensor for longer holds it in a
 * {@link org.chorale.tensor.HeldTensors}.
 */
@NullMarked
package org.chorale.training.pipeline;

import org.jspecify.annotations.NullMarked;

/** Before and between the steps: what a run does next, and who holds which part of its model, as pure functions. */
@NullMarked
package org.chorale.coordinator.plan;

import org.jspecify.annotations.NullMarked;

/**
 * What the stages of a pipeline say of the tensors that they take and give, and whether it fits together: read before
 * the first batch is. Knows no tensor and no libtorch.
 */
@NullMarked
package org.chorale.training.contract;

import org.jspecify.annotations.NullMarked;

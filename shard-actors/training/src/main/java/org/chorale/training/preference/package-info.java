// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * Between the log-probabilities of judged answers and their gradients: what DPO, ORPO and KTO make of them.
 *
 * <p>A sequence's log-probability is the sum over the tokens of its answer. All numbers are fp64 and stay on the device.
 */
@NullMarked
package org.chorale.training.preference;

import org.jspecify.annotations.NullMarked;

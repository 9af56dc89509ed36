// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

/**
 * How a parameter group is trained, besides what holds for all.
 *
 * @param learningRateFactor times the learning rate of every step
 */
record Hyperparameters(double learningRateFactor, double weightDecay) {}

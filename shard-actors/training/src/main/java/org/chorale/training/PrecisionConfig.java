// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training;

import org.chorale.training.shard.Precision;

/** The key {@code precision}: the dtype that a run computes in. */
public record PrecisionConfig(Precision precision) {}

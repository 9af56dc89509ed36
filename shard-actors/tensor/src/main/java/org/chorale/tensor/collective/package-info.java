// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

/**
 * Between a rank's tensors and those of the others: what all ranks of a group do together, each in its own process or
 * thread; over TCP where tensors lie in host memory, over NCCL where they lie on GPUs.
 */
@NullMarked
package org.chorale.tensor.collective;

import org.jspecify.annotations.NullMarked;

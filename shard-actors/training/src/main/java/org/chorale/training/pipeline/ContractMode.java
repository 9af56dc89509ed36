// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.pipeline;

/** What becomes of a pipeline's contracts: nothing, a check when it is built, or also one of every batch's tensors. */
public enum ContractMode {
    OFF,
    CHECK,
    ENFORCE
}

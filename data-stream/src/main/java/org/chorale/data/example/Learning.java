// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.example;

/** What a run's loss learns from, and so what its rows must hold. */
public enum Learning {
    /** Every example by itself. */
    TEXT,
    /** Two answers to one prompt, of which one is better: DPO and ORPO. */
    PAIRS,
    /** One answer that is wanted or not, beside that of another example: KTO. */
    RATINGS
}

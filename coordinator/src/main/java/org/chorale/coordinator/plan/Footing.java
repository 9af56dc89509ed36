// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/**
 * What a run stands on in every stage and generation.
 *
 * @param othersInstead whether a place in which no worker can live is replaced by another
 */
record Footing(RunTerms terms, boolean othersInstead, Crew crew, Knowledge knowledge, Recoveries recoveries) {
    static Footing of(RunTerms terms, boolean othersInstead) {
        return new Footing(terms, othersInstead, Crew.NOBODY, Knowledge.NONE, Recoveries.NONE);
    }

    Footing with(Crew changed) {
        return new Footing(terms, othersInstead, changed, knowledge, recoveries);
    }

    Footing with(Knowledge changed) {
        return new Footing(terms, othersInstead, crew, changed, recoveries);
    }

    Footing with(Recoveries changed) {
        return new Footing(terms, othersInstead, crew, knowledge, changed);
    }

    /** Whether as many are there as the run needs. */
    boolean isComplete() {
        return crew.workers().size() >= terms.parallel().workers()
                && crew.feeders().size() >= terms.parallel().feeders();
    }

    /** Whether one more recovery is one too many. */
    boolean isExhausted() {
        return recoveries.inARow() > terms.parallel().recoveries();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

/** What a run stands on in every stage and generation. */
record Footing(RunTerms terms, Crew crew, Knowledge knowledge, Recoveries recoveries) {
    static Footing of(RunTerms terms) {
        return new Footing(terms, Crew.NOBODY, Knowledge.NONE, Recoveries.NONE);
    }

    Footing with(Crew changed) {
        return new Footing(terms, changed, knowledge, recoveries);
    }

    Footing with(Knowledge changed) {
        return new Footing(terms, crew, changed, recoveries);
    }

    Footing with(Recoveries changed) {
        return new Footing(terms, crew, knowledge, changed);
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

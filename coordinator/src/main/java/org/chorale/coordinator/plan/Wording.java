// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** What people read of who is missing. */
final class Wording {
    /** Places that a message names one by one. */
    private static final int NAMED = 8;

    private Wording() {}

    /** As the end of "the run waits for ...". */
    static String missing(Footing footing, Set<WorkerId> leaving) {
        List<String> missing = new ArrayList<>();
        ParallelSettings wanted = footing.terms().parallel();
        int workers = wanted.workers() - footing.crew().workers().size();
        count(missing, "worker", workers, wanted.workers());
        count(missing, "feeder", wanted.feeders() - footing.crew().feeders().size(), wanted.feeders());
        if (!leaving.isEmpty()) {
            List<String> places = leaving.stream().map(WorkerId::place).sorted().toList();
            missing.add(named(places) + " to leave the generation before");
        }
        Map<String, String> givenUp = footing.crew().givenUp();
        return String.join(" and ", missing) + (workers > 0 && !givenUp.isEmpty() ? "; " + abandoned(givenUp) : "");
    }

    private static String abandoned(Map<String, String> givenUp) {
        List<String> reasons = new TreeMap<>(givenUp)
                .entrySet().stream()
                        .map(place -> "%s was given up: %s".formatted(place.getKey(), place.getValue()))
                        .toList();
        return named("; ", reasons);
    }

    private static void count(List<String> missing, String kind, int lacking, int wanted) {
        if (lacking > 0) {
            missing.add(
                    wanted == 1
                            ? "a %s to join".formatted(kind)
                            : "%d of %d %ss to join".formatted(lacking, wanted, kind));
        }
    }

    static String feeders(List<String> places) {
        return (places.size() == 1 ? "the feeder " : "the feeders ") + named(places);
    }

    private static String named(Collection<String> places) {
        return named(", ", places);
    }

    private static String named(String between, Collection<String> all) {
        List<String> first = all.stream().limit(NAMED).toList();
        String names = String.join(between, first);
        return all.size() == first.size() ? names : "%s and %d more".formatted(names, all.size() - first.size());
    }
}

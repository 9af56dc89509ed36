// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import org.chorale.proto.batch.Feed;

/** The feeds of a rank: at most one of each kind is open, and news of those before it counts for nothing. */
final class Intakes {
    private final Map<Feed, FeedIntake> open = new EnumMap<>(Feed.class);
    private long opened;

    /** Another feed, in the place of the one before. */
    FeedIntake open(Feed feed) {
        FeedIntake intake = new FeedIntake(feed, ++opened);
        FeedIntake before = open.put(feed, intake);
        if (before != null) {
            before.close();
        }
        return intake;
    }

    Optional<FeedIntake> of(Feed feed) {
        return Optional.ofNullable(open.get(feed));
    }

    /** The open feed of this number. */
    Optional<FeedIntake> numbered(long number) {
        return open.values().stream()
                .filter(intake -> intake.number() == number)
                .findFirst();
    }

    boolean has(FeedIntake intake) {
        return open.get(intake.feed()) == intake;
    }

    void close() {
        open.values().forEach(FeedIntake::close);
        open.clear();
    }
}

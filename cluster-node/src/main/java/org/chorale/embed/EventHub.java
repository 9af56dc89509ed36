// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.embed;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.OverflowStrategy;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.SourceQueueWithComplete;
import org.chorale.proto.wire.RunEvent;

/** Passes a run's events on to whoever listens, and holds a few for each who is slower. */
final class EventHub {
    /** That one listener has not taken yet. */
    static final int BUFFERED_EVENTS = 256;

    private final Set<SourceQueueWithComplete<RunEvent>> listeners = new LinkedHashSet<>();
    private final List<RunEvent> landmarks = new ArrayList<>(2); // the run's start and its end, once there
    private boolean ended;

    synchronized void publish(RunEvent event) {
        if (ended) {
            return;
        }
        if (event.hasStarted()) {
            landmarks.clear(); // it begins anew after a recovery
            landmarks.add(event);
        } else if (event.hasEnded()) {
            landmarks.add(event);
        }
        listeners.forEach(listener -> listener.offer(event));
        if (event.hasEnded()) {
            close();
        }
    }

    /** Ends all streams after what they hold. */
    synchronized void close() {
        ended = true;
        listeners.forEach(SourceQueueWithComplete::complete);
        listeners.clear();
    }

    /** Begins with the run's start, if it is past, and completes after its end. */
    Source<RunEvent, NotUsed> events() {
        return Source.<RunEvent>queue(BUFFERED_EVENTS, OverflowStrategy.dropHead())
                .mapMaterializedValue(this::add);
    }

    private synchronized NotUsed add(SourceQueueWithComplete<RunEvent> listener) {
        landmarks.forEach(listener::offer);
        if (ended) {
            listener.complete();
        } else {
            listeners.add(listener);
            listener.watchCompletion().whenComplete((done, failure) -> remove(listener));
        }
        return NotUsed.getInstance();
    }

    private synchronized void remove(SourceQueueWithComplete<RunEvent> listener) {
        listeners.remove(listener);
    }

    synchronized int listeners() {
        return listeners.size();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.chorale.proto.wire.RunEvent;
import org.chorale.proto.wire.RunEvent.EventCase;
import org.chorale.proto.wire.RunStatus;
import org.chorale.proto.wire.WatchedEvent;

/** What is known of a run from its events: the last of each kind. */
final class RunReport {
    private final String run;
    private final Map<EventCase, WatchedEvent> last = new EnumMap<>(EventCase.class);
    private long events;
    private String awaited = "";
    private int recoveries;

    RunReport(String run) {
        this.run = run;
    }

    /** Notes an event, and returns it with its number. */
    WatchedEvent add(RunEvent event) {
        WatchedEvent numbered = WatchedEvent.newBuilder()
                .setRun(run)
                .setNumber(++events)
                .setEvent(withoutSamples(event))
                .build();
        last.put(event.getEventCase(), numbered);
        recoveries += event.hasRecovery() ? 1 : 0;
        awaited = switch (event.getEventCase()) {
            case AWAITED -> event.getAwaited().getAwaited();
            case WORKING -> event.getWorking().getAwaited();
            default -> "";
        };
        return numbered;
    }

    /** They may be more than a message holds, and the metrics have them. */
    private static RunEvent withoutSamples(RunEvent event) {
        return event.hasStep()
                ? event.toBuilder()
                        .setStep(event.getStep().toBuilder().clearSamples())
                        .build()
                : event;
    }

    /** Where the run stands, for one who begins to watch: in the order in which it happened. */
    List<WatchedEvent> state() {
        List<WatchedEvent> events = new ArrayList<>(last.values());
        events.sort(Comparator.comparingLong(WatchedEvent::getNumber));
        return events;
    }

    boolean hasEnded() {
        return last.containsKey(EventCase.ENDED);
    }

    void addTo(RunStatus.Builder status) {
        for (WatchedEvent numbered : last.values()) {
            RunEvent event = numbered.getEvent();
            switch (event.getEventCase()) {
                case STARTED -> status.setStarted(event.getStarted());
                case STEP -> status.setStep(event.getStep());
                case EVALUATION -> status.setEvaluation(event.getEvaluation());
                case CHECKPOINT -> status.setCheckpoint(event.getCheckpoint());
                case ENDED -> status.setEnded(event.getEnded());
                default -> {}
            }
        }
        status.setRecoveries(recoveries);
        if (!awaited.isEmpty()) {
            status.setAwaited(awaited);
        }
    }
}

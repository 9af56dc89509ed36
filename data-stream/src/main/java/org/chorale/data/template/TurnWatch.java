// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import org.chorale.data.template.node.Watch;
import org.chorale.data.template.value.Value;

/** Notes where each message was written, and each {@code generation} block. */
final class TurnWatch implements Watch {
    private final IdentityHashMap<Value, List<Span>> regions = new IdentityHashMap<>();
    private final List<Span> generated = new ArrayList<>();
    private boolean outOfSight;

    TurnWatch(List<Value> messages) {
        messages.forEach(message -> regions.put(message, new ArrayList<>()));
    }

    @Override
    public void looped(Value element, int from, int until) {
        List<Span> spans = regions.get(element);
        if (spans != null && from < until) {
            spans.add(new Span(from, until));
        }
    }

    @Override
    public void generated(int from, int until) {
        if (from < until) {
            generated.add(new Span(from, until));
        }
    }

    @Override
    public void generatedOutOfSight() {
        outOfSight = true;
    }

    /** What loops wrote while this message, this very one, was their current element. */
    List<Span> regions(Value message) {
        return regions.getOrDefault(message, List.of());
    }

    /** Whether a loop wrote something here for another message. */
    boolean isShared(Value message, Span region) {
        return regions.entrySet().stream()
                .anyMatch(entry ->
                        entry.getKey() != message && entry.getValue().stream().anyMatch(region::overlaps));
    }

    /** Where the last message ends; 0 where no loop wrote any. */
    int lastEnd() {
        return regions.values().stream()
                .flatMap(List::stream)
                .mapToInt(Span::until)
                .max()
                .orElse(0);
    }

    /** What {@code generation} blocks wrote, in order. */
    List<Span> generated() {
        return generated;
    }

    /** Whether there was a {@code generation} block whose place is not known. */
    boolean isOutOfSight() {
        return outOfSight;
    }
}

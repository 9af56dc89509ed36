// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.shard;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.chorale.model.layer.Units;

/**
 * Follows a model through its units: gathers what it opens or announces, and releases and reduces what it closes, as the
 * run's mode has it. All ranks hear the same, so all do the same in the same order.
 */
final class UnitSchedule implements Units {
    private final RankGroups ranks;
    private final Map<String, FsdpUnit> units = new LinkedHashMap<>();
    private final GradientTraffic traffic;
    private final Map<String, Integer> backwardsLeft = new HashMap<>();
    private boolean inStep;

    UnitSchedule(RankGroups ranks, List<FsdpUnit> units) {
        this.ranks = ranks;
        this.traffic = new GradientTraffic(ranks);
        units.forEach(unit -> this.units.put(unit.name(), unit));
    }

    /** @param microBatches how many backwards each unit will have at most, the same on all ranks */
    void beginStep(int microBatches) {
        inStep = true;
        traffic.beginStep();
        units.values().forEach(FsdpUnit::clearGradients);
        units.keySet().forEach(name -> backwardsLeft.put(name, microBatches));
    }

    /** After the last micro-batch: waits until each rank has its part of the gradients of all. */
    void endBackward() {
        for (FsdpUnit unit : units.values()) {
            unit.trainedGroups()
                    .filter(group -> !traffic.isComplete(group)) // units that a pass has left out
                    .forEach(group -> traffic.send(group, true));
        }
        traffic.finish();
        units.values().forEach(FsdpUnit::releaseValues);
        inStep = false;
    }

    /** After the optimizer. */
    void endStep() {
        units.values().forEach(FsdpUnit::releaseGradients);
    }

    /** Whether something is on its way between the ranks. */
    boolean isBusy() {
        return traffic.isBusy() || units.values().stream().anyMatch(FsdpUnit::isGathering);
    }

    /** Waits for the end of whatever is on its way, good or bad, so that no buffer is written any more. */
    void abandon() {
        traffic.abandon();
        units.values().forEach(FsdpUnit::abandon);
    }

    @Override
    public void open(String unit) {
        named(unit).open();
    }

    @Override
    public void openForBackward(String unit) {
        named(unit).open();
        named(unit).openGradients();
    }

    @Override
    public void openForGradients(String unit) {
        named(unit).openGradients();
    }

    @Override
    public void announce(String unit) {
        named(unit).beginGather();
    }

    @Override
    public void close(String unit) {
        if (!isKept()) {
            named(unit).releaseValues();
        }
    }

    @Override
    public void closeAfterBackward(String unit) {
        FsdpUnit closed = named(unit);
        boolean last = backwardsLeft.merge(unit, -1, Integer::sum) == 0;
        closed.trainedGroups().forEach(group -> traffic.send(group, last));
        if (!isKept() || last) {
            closed.releaseValues();
        }
    }

    /** Whether values stay between a unit's uses. */
    private boolean isKept() {
        return inStep && ranks.gathering() == Gathering.PER_STEP;
    }

    private FsdpUnit named(String unit) {
        FsdpUnit found = units.get(unit);
        if (found == null) {
            throw new IllegalStateException("the shard plan has no unit " + unit);
        }
        return found;
    }
}

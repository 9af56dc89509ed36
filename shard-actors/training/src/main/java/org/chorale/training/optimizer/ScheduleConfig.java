// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.optimizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The keys below {@code optimizer} that say how the learning rate goes over a run; their meanings stand in
 * chorale-defaults.conf. What only some schedules read is empty unless it is set, and set for another one it is refused.
 */
public record ScheduleConfig(
        Schedule schedule,
        long warmupSteps,
        Optional<Double> finalRatio,
        Optional<Double> schedulePower,
        Optional<Long> stepEvery,
        Optional<Double> stepFactor,
        Optional<Double> decayShare) {
    private static final String FINAL_RATIO = "final-ratio";

    /** How the learning rate goes on after warm-up. */
    public enum Schedule {
        CONSTANT,
        LINEAR,
        COSINE,
        POLYNOMIAL,
        STEP,
        WARMUP_STABLE_DECAY;

        private boolean reads(String key) {
            return switch (key) {
                case FINAL_RATIO -> this != CONSTANT && this != STEP;
                case "schedule-power" -> this == POLYNOMIAL;
                case "step-every", "step-factor" -> this == STEP;
                case "decay-share" -> this == WARMUP_STABLE_DECAY;
                default -> throw new IllegalArgumentException("every schedule reads " + key);
            };
        }

        private String word() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }

        private static String thatRead(String key) {
            return Arrays.stream(values())
                    .filter(schedule -> schedule.reads(key))
                    .map(Schedule::word)
                    .collect(Collectors.joining(" or "));
        }
    }

    public ScheduleConfig {
        List<String> problems = new ArrayList<>();
        if (warmupSteps < 0) {
            problems.add("optimizer.warmup-steps = " + warmupSteps + ": must be 0 or above");
        }
        check(problems, schedule, FINAL_RATIO, finalRatio, value -> value >= 0 && value <= 1, "from 0 to 1");
        check(problems, schedule, "schedule-power", schedulePower, value -> value > 0, "above 0");
        check(problems, schedule, "step-every", stepEvery, value -> value > 0, "above 0");
        check(problems, schedule, "step-factor", stepFactor, value -> value > 0 && value <= 1, "above 0, at most 1");
        check(problems, schedule, "decay-share", decayShare, value -> value > 0 && value <= 1, "above 0, at most 1");
        if (schedule == Schedule.STEP && stepEvery.isEmpty()) {
            problems.add("optimizer.step-every is not set: optimizer.schedule = step needs it");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    private interface Range<T> {
        boolean holds(T value);
    }

    private static <T> void check(
            List<String> problems, Schedule schedule, String key, Optional<T> set, Range<T> range, String words) {
        set.filter(value -> !schedule.reads(key))
                .ifPresent(value ->
                        problems.add("optimizer.%s = %s: optimizer.schedule = %s does not read it, only %s does"
                                .formatted(key, value, schedule.word(), Schedule.thatRead(key))));
        set.filter(value -> !range.holds(value))
                .ifPresent(value -> problems.add("optimizer.%s = %s: must be %s".formatted(key, value, words)));
    }
}

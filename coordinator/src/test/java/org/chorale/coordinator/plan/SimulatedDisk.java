// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.chorale.proto.wire.EvaluationReport;

/** What every process of a run finds: committed checkpoints, metrics, generations and the export. */
final class SimulatedDisk {
    final TreeMap<Long, Effect.Commit> checkpoints = new TreeMap<>();
    private final CheckpointSettings settings;
    private final Set<Long> everCommitted = new HashSet<>();
    List<String> metrics = new ArrayList<>();
    Optional<Long> exported = Optional.empty();
    long generations;

    SimulatedDisk(CheckpointSettings settings) {
        this.settings = settings;
    }

    RunSignal claim() {
        generations++;
        Optional<ResumePoint> resume = checkpoints.isEmpty()
                ? Optional.empty()
                : Optional.of(new ResumePoint(
                        Long.toString(newestCheckpoint()),
                        newestCheckpoint(),
                        checkpoints.lastEntry().getValue().skippedInARow(),
                        checkpoints.lastEntry().getValue().standing(),
                        Optional.of("abc"),
                        Optional.of("cfg")));
        return new RunSignal.GenerationClaimed(generations, resume, exported.isPresent());
    }

    /** No step is committed twice, by whichever process and generation. */
    RunSignal commit(Effect.Commit commit) {
        assertThat(commit.generation()).isEqualTo(generations);
        assertThat(commit.step())
                .as("checkpoints are at steps that are recorded")
                .isEqualTo(lastStepMeasured());
        assertThat(everCommitted.add(commit.step()))
                .as("step %d is committed once", commit.step())
                .isTrue();
        checkpoints.put(commit.step(), commit);
        Set<Long> kept = new HashSet<>(
                checkpoints.descendingKeySet().stream().limit(settings.keep()).toList());
        if (settings.keepBest()) {
            commit.standing().best().map(EvaluationReport::getStep).ifPresent(kept::add);
        }
        checkpoints.keySet().retainAll(kept);
        return new RunSignal.Committed(commit.generation(), commit.step());
    }

    void cutBack(Optional<Long> resumeStep) {
        long kept = resumeStep.orElse(-1L);
        metrics = new ArrayList<>(
                metrics.stream().filter(line -> stepOf(line) <= kept).toList());
    }

    long newestCheckpoint() {
        return checkpoints.isEmpty() ? 0 : checkpoints.lastKey();
    }

    long lastStepMeasured() {
        return metrics.stream()
                .filter(line -> line.startsWith("step "))
                .mapToLong(SimulatedDisk::stepOf)
                .max()
                .orElse(0);
    }

    private static long stepOf(String line) {
        return Long.parseLong(line.substring("step ".length()));
    }
}

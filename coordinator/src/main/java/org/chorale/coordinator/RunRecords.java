// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator;

import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;
import org.chorale.coordinator.directory.Checkpoint;
import org.chorale.coordinator.directory.Checkpoints;
import org.chorale.coordinator.directory.MetricsLog;
import org.chorale.coordinator.directory.MetricsSettings;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.CheckpointSettings;
import org.chorale.coordinator.plan.Effect;
import org.chorale.coordinator.plan.ResumePoint;
import org.chorale.coordinator.plan.RunSignal;
import org.chorale.coordinator.plan.Standing;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.EvaluationReport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a plan has written into the run directory, and what it reads there. Closing it closes the metrics alone. */
final class RunRecords implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(RunRecords.class);

    private final RunDirectory directory;
    private final CheckpointSettings settings;
    private final MetricsSettings metricsSettings;
    private @Nullable MetricsLog metrics;

    RunRecords(RunDirectory directory, CheckpointSettings settings, MetricsSettings metricsSettings) {
        this.directory = directory;
        this.settings = settings;
        this.metricsSettings = metricsSettings;
    }

    /**
     * Work for a thread that may block.
     *
     * @param progress run often
     */
    Supplier<RunSignal> claim(Effect.ClaimGeneration claim, Runnable progress) {
        return () -> {
            long generation = directory.claimGeneration(claim.team().described());
            Checkpoints.Found found = directory.checkpoints().newestWhole(progress);
            found.defects().forEach(defect -> LOG.warn("Checkpoint passed over: {}", defect));
            return new RunSignal.GenerationClaimed(
                    generation, found.checkpoint().map(this::resumePoint), directory.exported());
        };
    }

    private ResumePoint resumePoint(Checkpoint checkpoint) {
        return new ResumePoint(
                checkpoint.folder().toString(),
                checkpoint.step(),
                checkpoint.manifest().getSkippedInARow(),
                standing(checkpoint.manifest()),
                directory.dataDigest(),
                directory.configDigest());
    }

    /** A best one whose checkpoint is lost can neither be exported nor be what later ones have to beat. */
    private Standing standing(CheckpointManifest manifest) {
        Optional<EvaluationReport> own =
                manifest.hasEvaluation() ? Optional.of(manifest.getEvaluation()) : Optional.empty();
        Optional<EvaluationReport> best = manifest.hasBest() ? Optional.of(manifest.getBest()) : Optional.empty();
        boolean lost = settings.keepBest()
                && best.filter(report -> !directory.checkpoints().isCommitted(report.getStep()))
                        .isPresent();
        if (lost) {
            LOG.warn(
                    "The checkpoint of step {}, the best so far, is gone; the next evaluation is the best then",
                    manifest.getBest().getStep());
        }
        return new Standing(own, lost ? Optional.empty() : best, manifest.getEvaluationsSinceBest());
    }

    /** Likewise work for a thread that may block. */
    Supplier<RunSignal> verify(Effect.VerifyCheckpoint verify, Runnable progress) {
        return () -> {
            Checkpoint whole = directory.checkpoints().wholeAt(verify.step(), progress);
            return new RunSignal.CheckpointVerified(verify.generation(), whole.step());
        };
    }

    /** Once in each generation: what was measured beyond the step will be measured again. */
    void openMetrics(Effect.OpenMetrics open) {
        close();
        MetricsLog opened = open.resumeStep()
                .map(step -> directory.resumeMetrics(step, metricsSettings))
                .orElseGet(() -> directory.startMetrics(metricsSettings));
        opened.remarks().forEach(remark -> LOG.warn("{}", remark));
        metrics = opened;
    }

    MetricsLog metrics() {
        return Objects.requireNonNull(metrics, "the metrics are not open yet");
    }

    /** The metrics up to this step are on the disk before the checkpoint says that they are. */
    Checkpoint commit(Effect.Commit commit) {
        metrics().sync();
        Checkpoint checkpoint = directory.commit(manifest(commit));
        directory.prune(checkpoint, settings.keep(), settings.keepBest());
        return checkpoint;
    }

    private static CheckpointManifest manifest(Effect.Commit commit) {
        Standing standing = commit.standing();
        CheckpointManifest.Builder manifest = CheckpointManifest.newBuilder()
                .setFormatVersion(ManifestFile.FORMAT_VERSION)
                .setGeneration(commit.generation())
                .setStep(commit.step())
                .setSkippedInARow(commit.skippedInARow())
                .setWorldSize(commit.worldSize())
                .setShardGroupSize(commit.files().size())
                .setChoraleVersion(ReleaseVersion.read())
                .addAllFiles(commit.files())
                .setEvaluationsSinceBest(standing.sinceBest());
        standing.at(commit.step()).ifPresent(manifest::setEvaluation);
        standing.best().ifPresent(manifest::setBest);
        return manifest.build();
    }

    @Override
    public void close() {
        if (metrics != null) {
            metrics.close();
        }
        metrics = null;
    }
}

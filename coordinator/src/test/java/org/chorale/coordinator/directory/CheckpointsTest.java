// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointsTest {
    @TempDir
    Path dir;

    private RunDirectory directory;
    private long generation;

    @BeforeEach
    void open() {
        directory = RunDirectory.open(dir, RunFixture.conf(dir));
        generation = directory.claimGeneration("a worker");
    }

    @AfterEach
    void close() {
        directory.close();
    }

    @Test
    void whatIsNotCommittedDoesNotCount() throws IOException {
        RunFixture.shard(directory.beginCheckpoint(5, generation, 100), "five");
        assertThat(directory.checkpoints().folders()).isEmpty();
        assertThat(directory.checkpoints().newestWhole().checkpoint()).isEmpty();
    }

    @Test
    void aCommittedCheckpointIsFoundWithItsManifest() throws IOException {
        Checkpoint committed = commit(123, "contents");
        assertThat(committed.folder()).isEqualTo(folder(123));
        assertThat(committed.bytes()).isEqualTo("contents".length());
        assertThat(directory.checkpoints().newestWhole().checkpoint()).contains(committed);
        assertThat(names()).containsExactly("step-000123");
    }

    @Test
    void theNewestIsFoundByItsNumberAndNotByItsName() throws IOException {
        commit(999_999, "a");
        commit(1_000_000, "b");
        assertThat(newest()).isEqualTo(1_000_000);
    }

    @Test
    void aDefectiveCheckpointIsPassedOverAndTheReasonReported() throws IOException {
        commit(1, "one");
        commit(2, "two");
        commit(3, "three");
        Files.writeString(file(3), "threX");
        Files.writeString(file(2), "too long");
        Checkpoints.Found found = directory.checkpoints().newestWhole();
        assertThat(found.checkpoint().orElseThrow().step()).isEqualTo(1);
        assertThat(found.defects()).hasSize(2);
        assertThat(found.defects().get(0)).contains(file(3) + " has SHA-256");
        assertThat(found.defects().get(1)).contains(file(2) + " has 8 bytes, its manifest says 3");
    }

    @Test
    void whereNoneIsWholeEveryDefectIsNamed() throws IOException {
        commit(1, "one");
        commit(2, "two");
        Files.delete(file(1));
        Files.delete(folder(2).resolve("manifest.pb"));
        assertThatThrownBy(() -> directory.checkpoints().newestWhole())
                .isInstanceOfSatisfying(
                        FaultException.class, e -> assertThat(e.fault().code()).isEqualTo(FaultCode.CHECKPOINT_CORRUPT))
                .hasMessageContaining(file(1) + " is missing")
                .hasMessageContaining(folder(2).resolve("manifest.pb") + " cannot be read")
                .hasMessageContaining("another --run-dir");
    }

    @Test
    void everyLieOfAManifestIsADefect() throws IOException {
        assertDefect("format version 2", manifest -> manifest.setFormatVersion(2));
        assertDefect("format version 0", manifest -> manifest.setFormatVersion(0));
        assertDefect("speaks of step 8", manifest -> manifest.setStep(8));
        assertDefect("ranks 0 to 1", manifest -> manifest.setShardGroupSize(2));
        assertDefect("ranks", CheckpointManifest.Builder::clearFiles);
        assertDefect("ranks [3]", manifest -> manifest.getFilesBuilder(0).setRank(3));
        assertDefect(
                "does not stay inside", manifest -> manifest.getFilesBuilder(0).setName("../../run.conf"));
        assertDefect(
                "does not stay inside", manifest -> manifest.getFilesBuilder(0).setName(".."));
        assertDefect(
                "does not stay inside", manifest -> manifest.getFilesBuilder(0).setName("/etc/passwd"));
        assertDefect("is missing", manifest -> manifest.getFilesBuilder(0).setName("other"));
    }

    @Test
    void aManifestThatIsNoProtobufIsADefect() throws IOException {
        commit(7, "seven");
        Files.write(folder(7).resolve("manifest.pb"), "manifest".getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(() -> Checkpoint.read(folder(7)))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("manifest.pb cannot be read");
    }

    @Test
    void filesThatAreNotWhatTheWorkerSaidAreNotCommitted() throws IOException {
        ShardFile file = RunFixture.shard(directory.beginCheckpoint(5, generation, 100), "five");
        ShardFile longer = file.toBuilder().setBytes(100).build();
        assertThatThrownBy(() -> directory.commit(RunFixture.manifest(generation, 5, longer)))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("has 4 bytes, its manifest says 100");
        assertThat(directory.checkpoints().folders()).isEmpty();
    }

    @Test
    void aWholeCheckpointOfTheSameStepIsKept() throws IOException {
        commit(5, "first");
        Checkpoint kept = commit(5, "again");
        assertThat(Files.readString(file(5))).isEqualTo("first");
        assertThat(kept.defects()).isEmpty();
        assertThat(names()).containsExactly("step-000005");
    }

    @Test
    void aDefectiveCheckpointOfTheSameStepIsReplaced() throws IOException {
        commit(5, "first");
        Files.writeString(file(5), "torn");
        commit(5, "again");
        assertThat(Files.readString(file(5))).isEqualTo("again");
        assertThat(newest()).isEqualTo(5);
        assertThat(names()).containsExactly("step-000005");
    }

    @Test
    void onlyTheNewestAreKept() throws IOException {
        commit(1, "a");
        commit(2, "b");
        Checkpoint newest = commit(3, "c");
        directory.prune(newest, 2, false);
        assertThat(names()).containsExactly("step-000002", "step-000003");
    }

    @Test
    void defectiveCheckpointsOfLaterStepsDoNotCrowdOutTheOneJustCommitted() throws IOException {
        commit(10, "a");
        commit(30, "c");
        Files.delete(file(30));
        Checkpoint committed = commit(20, "b");
        directory.prune(committed, 1, false);
        assertThat(names()).containsExactly("step-000020", "step-000030");
        assertThat(newest()).isEqualTo(20);
    }

    @Test
    void theBestIsKeptBesidesTheNewestAndFound() throws IOException {
        for (long step : new long[] {1, 2, 3, 4}) {
            RunFixture.shard(directory.beginCheckpoint(step, generation, 0), "of step " + step);
            ShardFile file = RunFixture.shard(dir.resolve("checkpoints/step-00000%d.tmp-1".formatted(step)), "a");
            CheckpointManifest.Builder manifest = RunFixture.manifest(generation, step, file).toBuilder();
            manifest.getBestBuilder().setStep(1);
            directory.prune(directory.commit(manifest.build()), 2, true);
        }
        assertThat(names()).containsExactly("step-000001", "step-000003", "step-000004");
        assertThat(directory.checkpoints().best().orElseThrow().folder()).isEqualTo(folder(1));
        Storage.delete(folder(1));
        assertThat(directory.checkpoints().best()).isEmpty();
    }

    @Test
    void aCheckpointThatTheDiskHasNoRoomForIsRefusedWithBothSizesBeforeAnythingIsWritten() {
        assertThatThrownBy(() -> directory.beginCheckpoint(5, generation, Long.MAX_VALUE))
                .isInstanceOfSatisfying(
                        FaultException.class, e -> assertThat(e.fault().code()).isEqualTo(FaultCode.STORAGE_FAILED))
                .hasMessageContaining("a checkpoint takes 9,223,372,036,854,775,807 bytes")
                .hasMessageFindingMatch("only [0-9,]+ are free");
        assertThat(dir.resolve("checkpoints")).isEmptyDirectory();
    }

    @Test
    void aSearchTellsOfEveryMegabyteAndCanBeEnded() throws IOException {
        commit(1, "x".repeat(3 << 20));
        AtomicInteger told = new AtomicInteger();
        assertThat(directory.checkpoints().newestWhole(told::incrementAndGet).checkpoint())
                .isPresent();
        assertThat(told.get()).isGreaterThanOrEqualTo(3);
        assertThatThrownBy(() -> directory.checkpoints().newestWhole(() -> {
                    throw new CancellationException("enough");
                }))
                .isInstanceOf(CancellationException.class);
    }

    @Test
    void theCheckpointOfAStepIsReadWholeOrRefusedWithItsDefect() throws IOException {
        commit(1, "one");
        assertThat(directory.checkpoints().wholeAt(1, () -> {}).step()).isEqualTo(1);
        Files.writeString(file(1), "onX");
        assertThatThrownBy(() -> directory.checkpoints().wholeAt(1, () -> {}))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining(file(1) + " has SHA-256");
        assertThatThrownBy(() -> directory.checkpoints().wholeAt(2, () -> {}))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("step-000002");
    }

    @Test
    void whatEarlierGenerationsLeftUnfinishedIsRemovedAtOpen() throws IOException {
        commit(1, "a");
        RunFixture.shard(directory.beginCheckpoint(2, generation, 100), "b");
        Files.createDirectories(dir.resolve("checkpoints/step-000000.pruned-1/deep"));
        directory.close();
        open();
        assertThat(names()).containsExactly("step-000001");
    }

    @Test
    void readingTakesNoLockAndSeesTheSame() throws IOException {
        commit(1, "a");
        RunContents contents = RunDirectory.read(dir);
        assertThat(contents.checkpoints().folders()).containsExactly(folder(1));
        assertThat(Checkpoint.read(folder(1)).manifest().getGeneration()).isEqualTo(generation);
    }

    private void assertDefect(String defect, Consumer<CheckpointManifest.Builder> lie) throws IOException {
        Checkpoint checkpoint = commit(7, "seven");
        CheckpointManifest.Builder manifest = checkpoint.manifest().toBuilder();
        lie.accept(manifest);
        Files.write(folder(7).resolve("manifest.pb"), manifest.build().toByteArray());
        assertThatThrownBy(() -> directory.checkpoints().newestWhole())
                .isInstanceOf(FaultException.class)
                .hasMessageContaining(defect);
    }

    private Checkpoint commit(long step, String contents) throws IOException {
        return RunFixture.checkpoint(directory, generation, step, contents);
    }

    private long newest() {
        return directory.checkpoints().newestWhole().checkpoint().orElseThrow().step();
    }

    private Path folder(long step) {
        return dir.resolve("checkpoints/step-%06d".formatted(step));
    }

    private Path file(long step) {
        return folder(step).resolve("rank-00000.safetensors");
    }

    private List<String> names() throws IOException {
        return Storage.entries(dir.resolve("checkpoints")).stream()
                .map(entry -> entry.getFileName().toString())
                .toList();
    }
}

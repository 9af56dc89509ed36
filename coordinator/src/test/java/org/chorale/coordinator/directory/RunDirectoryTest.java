// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StepReport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDirectoryTest {
    private static final MetricsSettings INDICES = new MetricsSettings(MetricsSettings.Samples.INDICES);

    @TempDir
    Path temporary;

    @Test
    void aNewDirectoryHoldsItsConfiguration() {
        try (RunDirectory directory = open("run")) {
            assertThat(directory.exported()).isFalse();
            RunContents contents = RunDirectory.read(temporary.resolve("run"));
            assertThat(contents.runConf()).isEqualTo(conf("run"));
            assertThat(contents.checkpoints().folders()).isEmpty();
        }
    }

    @Test
    void theSameRunIsTakenUpAgainWhateverDoesNotChangeItsResult() throws IOException {
        progress("run");
        String[] free = {
            "run.progress-timeout = 1 minute",
            "checkpoint.every = 7",
            "checkpoint.keep = 9",
            "data.prefetch-batches = 1",
            "metrics.samples = digest",
            "parallel.memory-fraction = 0.9",
            "model.recompute = block"
        };
        open("run", free).close();
        assertThat(RunDirectory.read(temporary.resolve("run")).runConf()).isEqualTo(conf("run", free));
    }

    @Test
    void anotherRunsDirectoryIsRefusedWithEveryKeyThatDiffersAndAWayOut() throws IOException {
        progress("run");
        assertTaken(() -> open("run", "run.seed = 1", "optimizer.learning-rate = 0.5", "data.train.path = new.jsonl"))
                .hasMessageContaining("run.seed: there 42, asked for 1")
                .hasMessageContaining("optimizer.learning-rate: there 2.0E-4, asked for 0.5")
                .hasMessageContaining("data.train.path: there nothing, asked for new.jsonl")
                .hasMessageContaining("another --run-dir")
                .hasMessageContaining("model.path = " + temporary.resolve("run/export"));
    }

    @Test
    void aRefusedDirectoryIsNotLockedAndNotChanged() throws IOException {
        progress("run");
        assertTaken(() -> open("run", "run.seed = 1"));
        assertThat(RunDirectory.read(temporary.resolve("run")).runConf()).isEqualTo(conf("run"));
        open("run").close();
    }

    @Test
    void theSameNumberWrittenInAnotherWayIsNoDifference() throws IOException {
        progress("run");
        open("run", "run.epochs = 1.0", "optimizer.learning-rate = 0.0002").close();
    }

    @Test
    void aKeyThatAnOlderReleaseDidNotKnowHasItsDefault() throws IOException {
        progress("run");
        Files.writeString(temporary.resolve("run/run.conf"), "data.global-batch = 2\ndata.sequence-tokens = 16");
        open("run").close();
    }

    @Test
    void aRunDirectoryThatWasMovedIsStillTheSameRun() throws IOException {
        String train = "data.train.path = \"%s/data/train.jsonl\"";
        try (RunDirectory directory = open("run", train.formatted(temporary.resolve("run")))) {
            RunFixture.checkpoint(directory, directory.claimGeneration("a worker"), 1, "a");
        }
        Files.move(temporary.resolve("run"), temporary.resolve("moved"));
        open("moved", train.formatted(temporary.resolve("moved"))).close();
    }

    @Test
    void aDirectoryWithoutProgressIsTakenOver() {
        try (RunDirectory directory = open("run")) {
            directory.claimGeneration("a worker");
            directory.startMetrics(INDICES).close();
        }
        open("run", "run.seed = 1").close();
        assertThat(RunDirectory.read(temporary.resolve("run")).runConf()).contains("\"seed\" : 1");
    }

    @Test
    void aTakeOverForgetsWhatWasDerivedFromTheSettingsBefore() throws IOException {
        try (RunDirectory directory = open("run")) {
            directory.rememberInputs("abc", "cfg");
        }
        for (String derived : List.of("index/train.idx", "data/train.jsonl")) {
            Path file = temporary.resolve("run").resolve(derived);
            Files.createDirectories(file.getParent());
            Files.createFile(file);
        }
        try (RunDirectory directory = open("run", "run.seed = 1")) {
            assertThat(directory.dataDigest()).isEmpty();
            assertThat(directory.configDigest()).isEmpty();
        }
        assertThat(temporary.resolve("run/index")).doesNotExist();
        assertThat(temporary.resolve("run/data/train.jsonl"))
                .as("rows may be the user's own")
                .exists();
    }

    @Test
    void whatWasDerivedStaysWithARunThatMadeProgress() throws IOException {
        progress("run");
        Files.createDirectory(temporary.resolve("run/index"));
        open("run").close();
        assertThat(temporary.resolve("run/index")).isDirectory();
    }

    @Test
    void anAdaptersExportCountsWithItsOwnTwoFilesWhereItsNamePutsThem() throws IOException {
        Path run = temporary.resolve("run");
        String conf = RunFixture.conf(run, "model.adapter { type = lora, name = mine }");
        try (RunDirectory directory = RunDirectory.open(run, conf)) {
            Path named = Files.createDirectories(directory.exportFolder().resolve("mine"));
            Files.createFile(directory.exportFolder().resolve("adapter_config.json"));
            Files.createFile(directory.exportFolder().resolve("adapter_model.safetensors"));
            assertThat(directory.exported()).as("another one").isFalse();
            Files.createFile(named.resolve("adapter_config.json"));
            assertThat(directory.exported()).as("without weights").isFalse();
            Files.createFile(named.resolve("adapter_model.safetensors"));
            assertThat(directory.exported()).isTrue();
            assertThat(RunDirectory.read(run).exported()).isTrue();
        }
        assertThatThrownBy(() -> RunDirectory.open(run, RunFixture.conf(run)))
                .hasMessageContaining("to go on from its result, model.adapter.path = " + run.resolve("export/mine"));
    }

    @Test
    void aModelOfTheUsersOwnIsExportedAsItsWeightsAlone() throws IOException {
        Path run = temporary.resolve("run");
        String conf = RunFixture.conf(run, "pipeline.model.type = shop.Net");
        try (RunDirectory directory = RunDirectory.open(run, conf)) {
            Files.createDirectories(directory.exportFolder());
            assertThat(directory.exported()).isFalse();
            Files.createFile(directory.exportFolder().resolve("model.safetensors"));
            assertThat(directory.exported()).isTrue();
        }
        assertThatThrownBy(() -> RunDirectory.open(run, RunFixture.conf(run)))
                .hasMessageEndingWith("Choose another --run-dir");
    }

    @Test
    void anExportCountsOnlyWithConfigurationAndWeights() throws IOException {
        Path export = temporary.resolve("run/export");
        try (RunDirectory directory = open("run")) {
            RunFixture.export(export);
            assertThat(directory.exported()).isTrue();
            Files.move(export.resolve("model.safetensors"), export.resolve("model.safetensors.index.json"));
            assertThat(directory.exported()).as("in shards").isTrue();
            Files.delete(export.resolve("model.safetensors.index.json"));
            assertThat(directory.exported()).as("without weights").isFalse();
            Files.move(export.resolve("config.json"), export.resolve("model.safetensors"));
            assertThat(directory.exported()).as("without configuration").isFalse();
        }
    }

    @Test
    void aSingleLineOfMetricsIsProgress() {
        try (RunDirectory directory = open("run");
                MetricsLog metrics = directory.startMetrics(INDICES)) {
            metrics.append(StepReport.newBuilder().setStep(1).build());
        }
        assertTaken(() -> open("run", "run.seed = 1")).hasMessageContaining("run.seed");
    }

    @Test
    void anExportWhoseCheckpointsAreGoneIsNotOverwritten() throws IOException {
        open("run").close();
        RunFixture.export(temporary.resolve("run/export"));
        assertTaken(() -> open("run")).hasMessageContaining("whose checkpoints are gone");
    }

    @Test
    void aFolderOfSomethingElseIsRefused() throws IOException {
        Files.createDirectory(temporary.resolve("run"));
        Files.writeString(temporary.resolve("run/thesis.tex"), "");
        assertTaken(() -> open("run")).hasMessageContaining("not empty (thesis.tex");
        assertThat(temporary.resolve("run")).isDirectoryNotContaining("glob:**/run.*");
    }

    @Test
    void aRunThatDiedBeforeItsConfigurationWasWrittenIsTakenUp() throws IOException {
        Files.createDirectory(temporary.resolve("run"));
        Files.writeString(temporary.resolve("run/run.lock"), "process 1");
        Files.writeString(temporary.resolve("run/run.conf.tmp"), "run {");
        open("run").close();
    }

    @Test
    void aFolderWithoutAConfigurationCannotBeRead() {
        assertThatThrownBy(() -> RunDirectory.read(temporary)).isInstanceOfSatisfying(FaultException.class, e -> {
            assertThat(e.fault().code()).isEqualTo(FaultCode.FILE_MISSING);
            assertThat(e.fault().message()).contains(temporary.toString()).contains("run.conf");
        });
    }

    @Test
    void aStrangersRunIsReadWithoutWhatItWouldInclude() throws IOException {
        Path secret = Files.writeString(temporary.resolve("secret.conf"), "run.seed = 7");
        Path dir = Files.createDirectory(temporary.resolve("run"));
        for (String reach : List.of("include file(\"" + secret + "\")", "run.seed = ${HOME}")) {
            Files.writeString(dir.resolve("run.conf"), reach);

            assertThatThrownBy(() -> RunDirectory.read(dir))
                    .isInstanceOfSatisfying(
                            FaultException.class,
                            e -> assertThat(e.fault().code()).isEqualTo(FaultCode.FILE_MALFORMED))
                    .hasMessageContaining(dir.resolve("run.conf").toString());
        }
    }

    @Test
    void aDamagedConfigurationIsReadAsMalformedWithFileAndLine() throws IOException {
        open("run").close();
        Path conf = Files.writeString(temporary.resolve("run/run.conf"), "run.seed = 42\ndata {\n");
        assertThatThrownBy(() -> RunDirectory.read(temporary.resolve("run")))
                .isInstanceOfSatisfying(FaultException.class, e -> {
                    assertThat(e.fault().code()).isEqualTo(FaultCode.FILE_MALFORMED);
                    assertThat(e.fault().message()).contains(conf + ": 3: ");
                });
    }

    @Test
    void aFileIsNoRunDirectoryAndHoldsNone() throws IOException {
        Path file = Files.writeString(temporary.resolve("run"), "");
        assertTaken(() -> open("run")).hasMessageContaining(file + " is a file");
        assertTaken(() -> open("run/below")).hasMessageContaining(file + " is a file");
    }

    @Test
    void aFolderThatMayNotBeWrittenIsRefusedWithoutTalkOfResuming() throws IOException {
        Path closed = Files.createDirectory(temporary.resolve("closed"));
        Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("r-xr-xr-x"));
        assumeThat(Files.isWritable(closed)).as("root may write everywhere").isFalse();
        for (String name : List.of("closed", "closed/run")) {
            assertTaken(() -> open(name))
                    .hasMessageContaining(closed + " may not be written by this user")
                    .hasMessageNotContaining("checkpoint");
        }
    }

    @Test
    void aDirectoryInUseIsRefusedInTheSameProcessAndStaysInUse() {
        try (RunDirectory directory = open("run")) {
            String holder = "process " + ProcessHandle.current().pid();
            assertTaken(() -> open("run")).hasMessageContaining("in use by " + holder);
            assertTaken(() -> open("run")).hasMessageContaining("in use by " + holder);
            assertThat(directory.claimGeneration("a worker")).isEqualTo(1);
        }
        open("run").close();
    }

    @Test
    void whoHasClosedADirectoryCanNeitherClaimNorFreeWhatOthersHaveNow() {
        RunDirectory before = open("run");
        before.close();
        try (RunDirectory now = open("run")) {
            before.close();
            assertTaken(() -> open("run")).hasMessageContaining("in use");
            assertThatThrownBy(() -> before.claimGeneration("a worker")).isInstanceOf(IllegalStateException.class);
            assertThat(now.claimGeneration("a worker")).isEqualTo(1);
        }
    }

    @Test
    void aDirectoryInUseByAnotherProcessIsFreeOnceThatIsKilled() throws IOException, InterruptedException {
        Path dir = temporary.resolve("run");
        Process holder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        LockHolder.class.getName(),
                        dir.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (BufferedReader says = holder.inputReader()) {
            assertThat(says.readLine()).isEqualTo("generation 1");
            assertTaken(() -> open("run")).hasMessageContaining("in use by process " + holder.pid());
        } finally {
            holder.destroyForcibly().waitFor();
        }
        try (RunDirectory directory = open("run")) {
            assertThat(directory.claimGeneration("a worker")).isEqualTo(2);
        }
    }

    @Test
    void aGenerationIsClaimedOnceOnly() {
        try (RunDirectory directory = open("run")) {
            assertThat(directory.claimGeneration("a worker")).isEqualTo(1);
            assertThat(directory.claimGeneration("a worker")).isEqualTo(2);
        }
        assertThat(temporary.resolve("run/generations/2")).content().contains("process ", "a worker");
    }

    @Test
    void aCoordinatorThatComesBackLateCannotCommit() throws IOException {
        try (RunDirectory directory = open("run")) {
            long late = directory.claimGeneration("a worker");
            ShardFile file = RunFixture.shard(directory.beginCheckpoint(5, late, 100), "late");
            directory.claimGeneration("a worker");
            assertTaken(() -> directory.commit(RunFixture.manifest(late, 5, file)))
                    .hasMessageContaining("generation 2 has taken over from generation 1");
            assertThat(directory.checkpoints().folders()).isEmpty();
        }
    }

    @Test
    void whatTheRunBeganWithIsRemembered() throws IOException {
        try (RunDirectory directory = open("run")) {
            assertThat(directory.dataDigest()).isEmpty();
            assertThat(directory.configDigest()).isEmpty();
            directory.rememberInputs("abc", "cfg");
            RunFixture.checkpoint(directory, directory.claimGeneration("a worker"), 1, "a");
        }
        try (RunDirectory directory = open("run")) {
            assertThat(directory.dataDigest()).contains("abc");
            assertThat(directory.configDigest()).contains("cfg");
        }
    }

    @Test
    void whatCannotBeWrittenIsAStorageFaultWithItsPath() throws IOException {
        open("run").close();
        Path generations = temporary.resolve("run/generations");
        Files.delete(generations);
        Files.writeString(generations, "a file where a folder belongs");
        assertThatThrownBy(() -> open("run")).isInstanceOfSatisfying(FaultException.class, e -> {
            assertThat(e.fault().code()).isEqualTo(FaultCode.STORAGE_FAILED);
            assertThat(e.fault().message()).contains(generations.toString());
        });
    }

    private RunDirectory open(String name, String... lines) {
        return RunDirectory.open(temporary.resolve(name), conf(name, lines));
    }

    private String conf(String name, String... lines) {
        return RunFixture.conf(temporary.resolve(name), lines);
    }

    private void progress(String name) throws IOException {
        try (RunDirectory directory = open(name)) {
            RunFixture.checkpoint(directory, directory.claimGeneration("a worker"), 1, "a");
        }
    }

    private static AbstractThrowableAssert<?, ? extends Throwable> assertTaken(ThrowingCallable work) {
        return assertThatThrownBy(work)
                .isInstanceOfSatisfying(
                        FaultException.class,
                        e -> assertThat(e.fault().code()).isEqualTo(FaultCode.RUN_DIRECTORY_TAKEN));
    }
}

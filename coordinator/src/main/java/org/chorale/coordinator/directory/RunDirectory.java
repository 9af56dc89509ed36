// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.directory;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.CheckpointManifest;

/**
 * A run's directory while this process trains in it: all that outlives the process.
 *
 * <pre>
 * run.conf                 the configuration as resolved
 * run.lock                 held by the process that trains
 * data.sha256              of the training source and tokenizer that the run began with
 * config.sha256            of the model's config.json that the run began with
 * index/, data/            where each row of the data begins, and generated examples; the feeder's
 * metrics.jsonl            a line per step and evaluation
 * generations/7            one file per start of the run and recovery, claimed by exclusive creation
 * rendezvous/7/            where the ranks of generation 7 find each other
 * flights/                 what ranks on GPUs did last together, where they waited long for each other; the workers'
 * checkpoints/step-000123/ manifest.pb and rank-00000.safetensors
 * export/                  the result, as Transformers loads it
 * </pre>
 *
 * Every method throws a {@link FaultException} STORAGE_FAILED where the file system does not do its part.
 */
public final class RunDirectory implements AutoCloseable {
    private static final String RUN_CONF = "run.conf";
    private static final String METRICS = "metrics.jsonl";
    private static final String DATA_DIGEST = "data.sha256";
    private static final String CONFIG_DIGEST = "config.sha256";
    private static final String EXPORT = "export";
    private static final String RENDEZVOUS = "rendezvous";
    private static final int MAX_CLAIM_ATTEMPTS = 100;

    /** What a directory may hold whose run died before its run.conf was written. */
    private static final Set<String> FIRST_FILES = Set.of(RunLock.FILE, RUN_CONF + ".tmp");

    /** What is derived from a run's settings; other settings derive it anew. */
    private static final List<String> DERIVED = List.of("index", DATA_DIGEST, CONFIG_DIGEST);

    private final Path dir;
    private final RunLock lock;
    private final Checkpoints checkpoints;
    private boolean closed;

    private RunDirectory(Path dir, RunLock lock) {
        this.dir = dir.toAbsolutePath(); // it travels to workers
        this.lock = lock;
        this.checkpoints = new Checkpoints(this.dir.resolve("checkpoints"));
    }

    /**
     * Creates the directory, or takes up the run that is in it.
     *
     * @param runConf the configuration as resolved, in HOCON
     * @throws FaultException RUN_DIRECTORY_TAKEN where it is in use, is not a run's, may not be written, or belongs to a
     *     run with other settings (the message lists them)
     */
    public static RunDirectory open(Path dir, String runConf) {
        return Storage.at(dir, () -> {
            refuseUnusable(dir.toAbsolutePath());
            refuseForeignFiles(dir); // once before the lock leaves its file there, once when nobody else can write
            Files.createDirectories(dir);
            RunLock lock = RunLock.take(dir);
            try {
                RunDirectory directory = new RunDirectory(dir, lock);
                directory.takeUp(runConf);
                return directory;
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        });
    }

    /**
     * Looks into a run directory without locking it; the run may be going on.
     *
     * @throws FaultException FILE_MISSING where it is none, FILE_MALFORMED where its run.conf is damaged
     */
    public static RunContents read(Path dir) {
        Path conf = dir.resolve(RUN_CONF);
        if (!Files.isRegularFile(conf)) {
            throw new FaultException(
                    FaultCode.FILE_MISSING, "%s is no run directory: it has no %s".formatted(dir, RUN_CONF));
        }
        return Storage.at(conf, () -> {
            String text = Files.readString(conf);
            RunExport export = RunExport.of(dir.resolve(EXPORT), RunIdentity.parse(conf.toString(), text));
            return new RunContents(dir, text, new Checkpoints(dir.resolve("checkpoints")), export.isWhole());
        });
    }

    /** Looks at the folder, or at the nearest one above it that is there: in that it would be created. */
    private static void refuseUnusable(Path absolute) {
        Path there = absolute;
        while (!Files.exists(there) && there.getParent() != null) {
            there = there.getParent();
        }
        if (!Files.isDirectory(there)) {
            throw taken("%s is a file, not a folder: choose another --run-dir".formatted(there));
        } else if (!Files.isWritable(there)) {
            throw taken("%s may not be written by this user: choose another --run-dir".formatted(there));
        }
    }

    private void takeUp(String runConf) throws IOException {
        Path conf = dir.resolve(RUN_CONF);
        refuseForeignFiles(dir);
        if (hasProgress()) {
            refuseOtherSettings(conf, runConf);
        } else {
            discardDerived();
        }
        Storage.replace(conf, runConf.getBytes(StandardCharsets.UTF_8));
        Files.createDirectories(dir.resolve("checkpoints"));
        Files.createDirectories(dir.resolve("generations"));
        Storage.delete(dir.resolve(RENDEZVOUS));
        checkpoints.removeLeftovers();
        Storage.syncFolder(dir);
    }

    private static void refuseForeignFiles(Path dir) throws IOException {
        if (Files.exists(dir.resolve(RUN_CONF))) {
            return;
        }
        List<String> foreign = Storage.entries(dir).stream()
                .map(entry -> entry.getFileName().toString())
                .filter(name -> !FIRST_FILES.contains(name))
                .toList();
        if (!foreign.isEmpty()) {
            throw taken("%s is no run directory, and it is not empty (%s, …): choose another --run-dir"
                    .formatted(dir, foreign.get(0)));
        }
    }

    /** Without progress nothing is lost if other settings take the directory over. */
    private boolean hasProgress() throws IOException {
        Path metrics = dir.resolve(METRICS);
        boolean measured = Files.exists(metrics) && Files.size(metrics) > 0;
        return measured || exported() || !checkpoints.folders().isEmpty();
    }

    private void discardDerived() throws IOException {
        for (String name : DERIVED) {
            Storage.delete(dir.resolve(name));
        }
    }

    private void refuseOtherSettings(Path conf, String runConf) throws IOException {
        List<String> differences = RunIdentity.differences(conf, Files.readString(conf), runConf);
        if (!differences.isEmpty()) {
            String goOn = export().keyToGoOn();
            throw taken("%s belongs to a run with other settings:\n  %s\nChoose another --run-dir%s"
                    .formatted(
                            dir,
                            String.join("\n  ", differences),
                            goOn.isEmpty() ? "" : "; or, to go on from its result, " + goOn));
        }
        if (exported() && checkpoints.folders().isEmpty()) {
            throw taken(
                    "%s holds the export of a run whose checkpoints are gone: choose another --run-dir".formatted(dir));
        }
    }

    private static FaultException taken(String message) {
        return new FaultException(FaultCode.RUN_DIRECTORY_TAKEN, message);
    }

    /**
     * Claims the next generation. The file that stands for it can be created once only, whoever tries. What the generation
     * before has begun and not committed is removed: nobody works on it any more.
     *
     * @param workers who computes in this generation: the bits of a run depend on device and threads
     * @throws IllegalStateException where the directory has been closed, by another thread perhaps: others may have it
     */
    public synchronized long claimGeneration(String workers) {
        if (closed) {
            throw new IllegalStateException(dir + " has been closed");
        }
        Path folder = dir.resolve("generations");
        return Storage.at(folder, () -> {
            long generation = newestGeneration() + 1;
            for (int attempt = 1; !claim(folder.resolve(Long.toString(generation)), workers); attempt++, generation++) {
                if (attempt == MAX_CLAIM_ATTEMPTS) {
                    throw taken("%s: others claimed %d generations in a row".formatted(dir, attempt));
                }
            }
            Storage.syncFolder(folder);
            checkpoints.removeLeftovers();
            return generation;
        });
    }

    private static boolean claim(Path file, String workers) throws IOException {
        try {
            String claimant =
                    "process %d\n%s\n".formatted(ProcessHandle.current().pid(), workers);
            Storage.create(file, claimant.getBytes(StandardCharsets.UTF_8));
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        }
    }

    private long newestGeneration() throws IOException {
        return Storage.entries(dir.resolve("generations")).stream()
                .map(entry -> entry.getFileName().toString())
                .filter(name -> name.matches("\\d{1,18}"))
                .mapToLong(Long::parseLong)
                .max()
                .orElse(0);
    }

    /** Makes the folder where the ranks of a generation find each other; those of generations before go. */
    public Path beginRendezvous(long generation) {
        Path folder = dir.resolve(RENDEZVOUS);
        return Storage.at(folder, () -> {
            Storage.delete(folder);
            return Files.createDirectories(folder.resolve(Long.toString(generation)));
        });
    }

    /** The committed checkpoints. */
    public Checkpoints checkpoints() {
        return checkpoints;
    }

    /**
     * Makes the folder that workers write a checkpoint's files into; it counts for nothing before it is committed.
     *
     * @param bytes that it will take
     * @throws FaultException STORAGE_FAILED where the disk has less than that
     */
    public Path beginCheckpoint(long step, long generation, long bytes) {
        return Storage.at(dir, () -> {
            long free = Files.getFileStore(dir).getUsableSpace();
            if (free < bytes) {
                throw new FaultException(
                        FaultCode.STORAGE_FAILED,
                        ("%s: a checkpoint takes %,d bytes, only %,d are free; free space, and start again: the run"
                                        + " goes on from the checkpoint before")
                                .formatted(dir, bytes, free));
            }
            return checkpoints.begin(step, generation);
        });
    }

    /**
     * Makes a checkpoint of the files that were written since {@link #beginCheckpoint}, for good.
     *
     * @throws FaultException RUN_DIRECTORY_TAKEN where a later generation has been claimed: whoever was paused and comes
     *     back late must not commit
     */
    public Checkpoint commit(CheckpointManifest manifest) {
        return Storage.at(dir, () -> {
            long newest = newestGeneration();
            if (newest > manifest.getGeneration()) {
                throw taken("%s: generation %d has taken over from generation %d, whose checkpoint is dropped"
                        .formatted(dir, newest, manifest.getGeneration()));
            }
            return checkpoints.commit(manifest);
        });
    }

    /** Removes all checkpoints but the newest {@code keep} up to this committed one, and the best where asked to. */
    public void prune(Checkpoint committed, int keep, boolean keepBest) {
        Storage.at(dir, () -> {
            checkpoints.prune(committed, keep, keepBest);
            return committed;
        });
    }

    /** Metrics of a run that begins: whatever was measured before is gone. */
    public MetricsLog startMetrics(MetricsSettings settings) {
        return MetricsLog.start(dir.resolve(METRICS), settings);
    }

    /** Metrics of a run that goes on after {@code step}: what was measured later is gone, and will be measured again. */
    public MetricsLog resumeMetrics(long step, MetricsSettings settings) {
        return MetricsLog.resume(dir.resolve(METRICS), step, settings);
    }

    /** The digest of the data that the run began with, where it came that far. */
    public Optional<String> dataDigest() {
        return digest(DATA_DIGEST);
    }

    /** The digest of the config.json that the run began with, where it came that far. */
    public Optional<String> configDigest() {
        return digest(CONFIG_DIGEST);
    }

    private Optional<String> digest(String name) {
        Path file = dir.resolve(name);
        return Storage.at(
                file,
                () -> Files.exists(file) ? Optional.of(Files.readString(file).strip()) : Optional.empty());
    }

    /** Notes which data and which config.json the run is about. */
    public void rememberInputs(String dataDigest, String configDigest) {
        remember(DATA_DIGEST, dataDigest);
        remember(CONFIG_DIGEST, configDigest);
    }

    private void remember(String name, String digest) {
        Path file = dir.resolve(name);
        Storage.at(file, () -> {
            Storage.replace(file, (digest + "\n").getBytes(StandardCharsets.UTF_8));
            return file;
        });
    }

    /** Where the result goes. */
    public Path exportFolder() {
        return dir.resolve(EXPORT);
    }

    /** Whether the result is there, whole; else it is made again. */
    public boolean exported() {
        return Files.exists(exportFolder()) && export().isWhole();
    }

    /** Of the run whose configuration is there. */
    private RunExport export() {
        Path conf = dir.resolve(RUN_CONF);
        return Storage.at(
                conf, () -> RunExport.of(exportFolder(), RunIdentity.parse(conf.toString(), Files.readString(conf))));
    }

    /** Makes room for the result of the committed last step; an export that is there is of a lost past. */
    public void discardExport() {
        Storage.at(exportFolder(), () -> {
            Storage.delete(exportFolder());
            return exportFolder();
        });
    }

    /** Lets others have the directory, once a claim that another thread is making is made. */
    @Override
    public synchronized void close() {
        if (closed) {
            return; // the lock may be another's by now
        }
        closed = true;
        Storage.at(dir, () -> {
            try {
                Storage.delete(dir.resolve(RENDEZVOUS));
            } finally {
                lock.close();
            }
            return dir;
        });
    }
}

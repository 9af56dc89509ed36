// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.chorale.coordinator.directory.Checkpoint;
import org.chorale.coordinator.directory.Checkpoints;
import org.chorale.coordinator.directory.RunContents;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.data.FeedSettings;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.AdapterSource;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.training.AdapterConfig;
import org.chorale.training.ModelConfig;
import org.chorale.training.checkpoint.CheckpointWeights;
import org.chorale.training.checkpoint.ModelExport;
import org.chorale.training.pipeline.PipelineConfig;
import org.chorale.worker.CheckpointFolder;
import org.chorale.worker.OwnModelExport;

/** {@code chorale export}. */
record Export(Console console, boolean json) {
    /** Dtypes that weights can be exported in. */
    enum Dtype {
        FP32(StoredType.F32),
        BF16(StoredType.BF16),
        FP16(StoredType.F16);

        private final StoredType stored;

        Dtype(StoredType stored) {
            this.stored = stored;
        }
    }

    /**
     * What the command line asks for.
     *
     * @param best of a run: the checkpoint of the best evaluation instead of the newest
     * @param merge write the model with the adapter merged into it
     * @param model of an adapter's folder: the model that it is for; where empty, the one that the adapter names
     * @param dtype of all weights; where empty, that of each in the model's folder
     */
    record Options(boolean best, boolean merge, Optional<Path> model, Optional<Dtype> dtype) {
        Optional<StoredType> stored() {
            return dtype.map(type -> type.stored);
        }
    }

    /** @param from a run directory, or an adapter's folder */
    int run(Path from, Path target, Options options) {
        Path source = resolve(from);
        Path out = resolve(target);
        refuseUnlessPossible(out);
        if (AdapterSource.isIn(source)) {
            refuseExisting(out);
            exportAdapter(source, out, options);
        } else {
            exportRun(RunDirectory.read(source), out, options);
        }
        return ExitCode.DONE;
    }

    /** An adapter with a name gets a folder of its own in the target, which may hold others. */
    private void exportRun(RunContents run, Path target, Options options) {
        refuse(options.model().isPresent(), "--model is for an adapter's folder: a run knows its model");
        AdapterConfig.Place place = ConfigReader.read(run.runConf(), "model.adapter", AdapterConfig.Place.class);
        Path out = options.merge() ? target : place.in(target);
        refuseExisting(out);
        refuseUnlessPossible(out);
        Checkpoint checkpoint = options.best() ? best(run) : newestWhole(run);
        if (ConfigReader.read(run.runConf(), PipelineConfig.KEY, PipelineConfig.class)
                .hasOwnModel()) {
            exportOwnModel(run, checkpoint, out, options);
        } else {
            exportFolderModel(run, checkpoint, out, options);
        }
        report(Optional.of(checkpoint), out);
    }

    /** It has no folder, and its weights are written as exactly as they are known. */
    private static void exportOwnModel(RunContents run, Checkpoint checkpoint, Path out, Options options) {
        refuse(options.merge(), "--merge is for adapters: the run of " + run.dir() + " trained a model of its own");
        refuse(
                options.dtype().isPresent(),
                "--dtype is for models of a folder: the run of " + run.dir() + " trained a model of its own");
        OwnModelExport.write(run.runConf(), checkpoint.folder(), out);
    }

    private static void exportFolderModel(RunContents run, Checkpoint checkpoint, Path out, Options options) {
        ModelConfig model = ConfigReader.read(run.runConf(), "model", ModelConfig.class);
        long seed = ConfigReader.read(run.runConf(), "run", RunSettings.class).seed();
        FeedSettings data = FeedSettings.read(run.runConf());
        try (ModelFolder source = model.open(seed);
                CheckpointWeights weights = CheckpointWeights.open(CheckpointFolder.files(checkpoint.folder()))) {
            ModelExport export = ModelExport.of(source, weights, data.tokenizerPath())
                    .chattingBy(data.data().chat().template());
            boolean adapted = source.adapter().isPresent();
            refuse(options.merge() && !adapted, "--merge is for adapters: the run of " + run.dir() + " trained none");
            if (adapted && !options.merge()) {
                refuse(options.dtype().isPresent(), "--dtype is for models: an adapter is one with --merge");
                export.write(out);
            } else {
                export.writeModel(options.stored(), out);
            }
        }
    }

    private void exportAdapter(Path adapter, Path out, Options options) {
        refuse(!options.merge(), adapter + " is an adapter: give --merge to write the model that it makes");
        refuse(options.best(), "--best is for runs: " + adapter + " is an adapter");
        Path base = options.model().map(this::resolve).orElseGet(() -> namedBase(adapter));
        Path tokenizer = Files.exists(adapter.resolve("tokenizer.json")) ? adapter : base;
        try (ModelFolder source = ModelFolder.pretrained(base).adapted(adapter)) {
            ModelExport.of(source, tokenizer).writeModel(options.stored(), out);
        }
        report(Optional.empty(), out);
    }

    /** The model that an adapter names, as seen from the current folder or from the adapter's. */
    private Path namedBase(Path adapter) {
        String named = AdapterSource.base(adapter).orElse("null");
        try {
            return Stream.of(resolve(Path.of(named)), adapter.resolve(named).normalize())
                    .filter(Files::isDirectory)
                    .findFirst()
                    .orElseThrow(() -> unknownBase(adapter, named));
        } catch (InvalidPathException e) {
            throw unknownBase(adapter, named);
        }
    }

    private static FaultException unknownBase(Path adapter, String named) {
        return new FaultException(
                FaultCode.FILE_MISSING,
                "%s: base_model_name_or_path = %s is no folder here: name the model's folder with --model"
                        .formatted(adapter.resolve("adapter_config.json"), named));
    }

    private static void refuse(boolean wrong, String message) {
        if (wrong) {
            throw new FaultException(FaultCode.CONFIG_INVALID, message);
        }
    }

    private Path resolve(Path path) {
        return console.currentFolder().resolve(path).normalize();
    }

    /** Before anything is read or written: an export of a large model takes long. */
    private static void refuseExisting(Path out) {
        if (Files.exists(out, LinkOption.NOFOLLOW_LINKS)) {
            throw new FaultException(
                    FaultCode.OUTPUT_REFUSED, out + " exists already: name a folder that does not exist yet");
        }
    }

    private static void refuseUnlessPossible(Path out) {
        Path above = out.toAbsolutePath().getParent();
        while (above != null && Files.notExists(above, LinkOption.NOFOLLOW_LINKS)) {
            above = above.getParent();
        }
        if (above == null || !Files.isDirectory(above)) {
            throw new FaultException(
                    FaultCode.OUTPUT_REFUSED, out + " cannot be made: " + above + " is no folder; name another place");
        } else if (!Files.isWritable(above)) {
            throw new FaultException(
                    FaultCode.OUTPUT_REFUSED,
                    out + " cannot be made: " + above + " may not be written by this user; name another place");
        }
    }

    private Checkpoint newestWhole(RunContents run) {
        Checkpoints.Found found = run.checkpoints().newestWhole();
        found.defects().forEach(defect -> console.err().println("passed over: " + defect));
        return found.checkpoint()
                .orElseThrow(() -> new FaultException(
                        FaultCode.FILE_MISSING,
                        run.dir() + " has no checkpoint yet: let the run reach one (checkpoint.every) or its end"));
    }

    /** What is exported must be what was measured, so that a damaged one is refused and no other taken for it. */
    private static Checkpoint best(RunContents run) {
        Checkpoint best = run.checkpoints()
                .best()
                .orElseThrow(() -> new FaultException(
                        FaultCode.FILE_MISSING,
                        run.dir() + " has no best checkpoint: set checkpoint.keep-best = true and let the run reach an"
                                + " evaluation (evaluation.every) after step 0"));
        return run.checkpoints().wholeAt(best.step(), () -> {});
    }

    private void report(Optional<Checkpoint> checkpoint, Path out) {
        if (json) {
            ObjectNode node = JsonNodeFactory.instance.objectNode();
            checkpoint.ifPresent(of -> node.put("step", of.step()));
            console.out().println(node.put("path", out.toString()));
        } else {
            String when = checkpoint.map(of -> " after step " + of.step()).orElse("");
            console.out().printf("wrote the model%s to %s%n", when, out);
        }
    }
}

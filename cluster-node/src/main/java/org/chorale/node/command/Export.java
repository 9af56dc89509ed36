// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Optional;
import org.chorale.coordinator.directory.Checkpoint;
import org.chorale.coordinator.directory.Checkpoints;
import org.chorale.coordinator.directory.RunContents;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.coordinator.plan.RunSettings;
import org.chorale.data.FeedSettings;
import org.chorale.model.ModelFolder;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.ShardFile;
import org.chorale.tensor.safetensors.SafetensorsFile;
import org.chorale.tensor.safetensors.StoredType;
import org.chorale.training.ModelConfig;
import org.chorale.training.checkpoint.ModelExport;

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

    /** @param dtype of all weights; where empty, that of each in the model's folder */
    int run(Path runDir, Path target, boolean best, Optional<Dtype> dtype) {
        Path out = console.currentFolder().resolve(target).normalize();
        refuseUnlessNew(out);
        RunContents run =
                RunDirectory.read(console.currentFolder().resolve(runDir).normalize());
        Checkpoint checkpoint = best ? best(run) : newestWhole(run);
        ModelConfig model = ConfigReader.read(run.runConf(), "model", ModelConfig.class);
        long seed = ConfigReader.read(run.runConf(), "run", RunSettings.class).seed();
        Path tokenizer = FeedSettings.read(run.runConf()).tokenizerPath();
        try (ModelFolder source = model.open(seed);
                SafetensorsFile weights = SafetensorsFile.open(onlyFile(checkpoint))) {
            ModelExport.of(source, weights, tokenizer).writeModel(dtype.map(type -> type.stored), out);
        }
        report(checkpoint, out);
        return ExitCode.DONE;
    }

    /** Before anything is read or written: an export of a large model takes long. */
    private static void refuseUnlessNew(Path out) {
        if (Files.exists(out, LinkOption.NOFOLLOW_LINKS)) {
            throw new FaultException(
                    FaultCode.OUTPUT_REFUSED, out + " exists already: name a folder that does not exist yet");
        }
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

    private static Path onlyFile(Checkpoint checkpoint) {
        if (checkpoint.manifest().getFilesCount() != 1) {
            throw new FaultException(
                    FaultCode.FILE_MALFORMED,
                    "%s is of %d ranks: this release exports checkpoints of one rank"
                            .formatted(
                                    checkpoint.folder(), checkpoint.manifest().getFilesCount()));
        }
        ShardFile file = checkpoint.manifest().getFiles(0);
        return checkpoint.folder().resolve(file.getName());
    }

    private void report(Checkpoint checkpoint, Path out) {
        if (json) {
            console.out()
                    .println(JsonNodeFactory.instance
                            .objectNode()
                            .put("step", checkpoint.step())
                            .put("path", out.toString()));
        } else {
            console.out().printf("wrote the model after step %d to %s%n", checkpoint.step(), out);
        }
    }
}

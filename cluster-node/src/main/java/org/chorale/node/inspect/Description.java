// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.inspect;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** What {@code chorale inspect} says of a path. */
public sealed interface Description
        permits TensorFile, ModelDirectory, AdapterDirectory, CheckpointDirectory, RunDescription {
    /** What a user's own model is exported as, and nothing beside it. */
    String OWN_WEIGHTS = "model.safetensors";

    /** For people. */
    List<String> lines();

    /** For programs: the same, and more exactly. */
    ObjectNode json();

    /**
     * Looks what stands at a path.
     *
     * @throws FaultException FILE_MISSING or FILE_MALFORMED, with what would be right
     */
    static Description of(Path path) {
        if (Files.isRegularFile(path)) {
            return TensorFile.read(path);
        } else if (!Files.isDirectory(path)) {
            throw new FaultException(FaultCode.FILE_MISSING, path + " does not exist or cannot be read");
        } else if (Files.exists(path.resolve("run.conf"))) {
            return RunDescription.read(path);
        } else if (Files.exists(path.resolve("manifest.pb"))) {
            return CheckpointDirectory.read(path);
        } else if (Files.exists(path.resolve("config.json"))) {
            return ModelDirectory.read(path);
        } else if (AdapterDirectory.isAt(path)) {
            return AdapterDirectory.read(path);
        } else if (Files.isRegularFile(path.resolve(OWN_WEIGHTS))) {
            return TensorFile.read(path.resolve(OWN_WEIGHTS));
        }
        throw new FaultException(
                FaultCode.FILE_MALFORMED,
                path
                        + " is no model folder (config.json), adapter (adapter_config.json), checkpoint (manifest.pb) or run"
                        + " (run.conf)");
    }
}

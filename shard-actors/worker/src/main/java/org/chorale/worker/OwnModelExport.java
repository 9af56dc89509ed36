// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.file.Path;
import org.chorale.training.pipeline.LocalComponents;

/** Writes a user's own model out of a checkpoint without a run: its weights by name, as a finished run exports them. */
public final class OwnModelExport {
    private OwnModelExport() {}

    /**
     * Makes the model, for the names and shapes of what was not trained, and writes its weights.
     *
     * @param runConf of the run, with {@code pipeline.model.type}
     * @param checkpoint its folder
     * @param out appears whole or not at all
     * @throws org.chorale.proto.fault.FaultException CONFIG_INVALID where the model cannot be made here
     */
    public static void write(String runConf, Path checkpoint, Path out) {
        try (RunModel model = RunModel.open(runConf, new LocalComponents())) {
            model.export(CheckpointFolder.files(checkpoint), out);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import java.nio.file.Path;
import java.util.List;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StoredTensor;
import org.chorale.training.checkpoint.StoredBox;
import org.chorale.training.checkpoint.StoredFile;

/** What the manifest of a committed checkpoint says, as the readers of weights and state take it. */
public final class CheckpointFolder {
    private CheckpointFolder() {}

    /**
     * The files of a committed checkpoint; only its manifest is read, since the coordinator has found them whole.
     *
     * @throws FaultException CHECKPOINT_CORRUPT where there is no manifest, or not one of this release
     */
    public static List<StoredFile> files(Path folder) {
        CheckpointManifest manifest = ManifestFile.read(folder);
        return manifest.getFilesList().stream().map(file -> file(folder, file)).toList();
    }

    private static StoredFile file(Path folder, ShardFile file) {
        if (!ManifestFile.staysInFolder(file)) {
            throw new FaultException(
                    FaultCode.CHECKPOINT_CORRUPT,
                    "%s: file name '%s' does not stay inside the folder"
                            .formatted(folder.resolve(ManifestFile.NAME), file.getName()));
        }
        return new StoredFile(
                folder.resolve(file.getName()),
                file.getTensorsList().stream().map(CheckpointFolder::box).toList());
    }

    private static StoredBox box(StoredTensor tensor) {
        return new StoredBox(
                tensor.getKey(),
                tensor.getParameter(),
                tensor.getKind(),
                tensor.getShapeList(),
                tensor.getOffsetList(),
                tensor.getExtentList());
    }
}

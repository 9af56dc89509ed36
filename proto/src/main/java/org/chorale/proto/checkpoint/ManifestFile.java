// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;

/** {@code manifest.pb}, which makes a folder a checkpoint. */
public final class ManifestFile {
    public static final String NAME = "manifest.pb";

    /** Of the manifests that this release writes and reads. */
    public static final int FORMAT_VERSION = 1;

    private static final long MAX_BYTES = 256L << 20;

    private ManifestFile() {}

    /**
     * Reads the manifest of a checkpoint's folder, and nothing else there.
     *
     * @throws FaultException CHECKPOINT_CORRUPT where there is no manifest that this release can read
     */
    public static CheckpointManifest read(Path folder) {
        Path file = folder.resolve(NAME);
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw new IOException("has %d bytes, more than %d".formatted(Files.size(file), MAX_BYTES));
            }
            CheckpointManifest manifest = CheckpointManifest.parseFrom(Files.readAllBytes(file));
            if (manifest.getFormatVersion() != FORMAT_VERSION) {
                throw new IOException("has format version %d, this release reads %d"
                        .formatted(manifest.getFormatVersion(), FORMAT_VERSION));
            }
            return manifest;
        } catch (IOException e) {
            String reason = e.getClass() == IOException.class ? String.valueOf(e.getMessage()) : "cannot be read: " + e;
            throw new FaultException(FaultCode.CHECKPOINT_CORRUPT, file + " " + reason, e);
        }
    }

    /** Whether a file that a manifest names lies in the checkpoint's folder, whatever else is wrong with it. */
    public static boolean staysInFolder(ShardFile file) {
        return file.getName().matches("[A-Za-z0-9_-][A-Za-z0-9._-]*");
    }
}

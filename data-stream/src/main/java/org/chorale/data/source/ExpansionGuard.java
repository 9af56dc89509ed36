// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;

/** Ends an expansion that would fill the disk, whether it is made to or the disk is full anyhow. */
final class ExpansionGuard extends FilterOutputStream {
    /** What is expanded at least before a ratio says anything. */
    private static final long ANY_BYTES = 64L << 20;

    /** Text shrinks to a third or a twentieth; what shrinks to less than this is made to fill the disk. */
    private static final long MAX_RATIO = 200;

    /** So much stays free on the disk, which the run's checkpoints also need. */
    private static final long RESERVED_BYTES = 1L << 30;

    private final Path original;
    private final Path target;
    private final long maxBytes;
    private long written;
    private long measured; // how much was written when the disk was last looked at

    ExpansionGuard(Path original, long originalBytes, OutputStream out, Path target) {
        super(out);
        this.original = original;
        this.target = target;
        this.maxBytes = Math.max(ANY_BYTES, Math.multiplyExact(originalBytes, MAX_RATIO));
    }

    @Override
    public void write(int b) throws IOException {
        grow(1);
        out.write(b);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        grow(length);
        out.write(bytes, offset, length);
    }

    private void grow(int bytes) throws IOException {
        written += bytes;
        if (written > maxBytes) {
            throw new FaultException(
                    FaultCode.DATA_MALFORMED,
                    "%s: expands to more than %d times its size; expand it yourself if it is meant to"
                            .formatted(original, MAX_RATIO));
        } else if (written - measured > ANY_BYTES) {
            measured = written;
            refuseFullDisk();
        }
    }

    private void refuseFullDisk() throws IOException {
        long free = Files.getFileStore(target.toAbsolutePath().getParent()).getUsableSpace();
        if (free < RESERVED_BYTES) {
            throw new FaultException(
                    FaultCode.STORAGE_FAILED,
                    "%s: %d bytes of it are expanded to %s, where only %d bytes are free; %d must stay free"
                            .formatted(original, written, target, free, RESERVED_BYTES));
        }
    }
}

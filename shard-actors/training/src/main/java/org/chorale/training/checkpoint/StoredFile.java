// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.nio.file.Path;
import java.util.List;

/**
 * A rank's file in a checkpoint, as the checkpoint's manifest describes it.
 *
 * @param boxes what the file holds of parameters and of state in their shape; the rest is counters
 */
public record StoredFile(Path path, List<StoredBox> boxes) {
    public StoredFile {
        boxes = List.copyOf(boxes);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.file.Path;

/**
 * Where a row is, as a user finds it.
 *
 * @param file the file or archive
 * @param line from 1; of an archive, the line of its contents
 */
public record RowPlace(Path file, long line) {
    @Override
    public String toString() {
        return file + ":" + line;
    }
}

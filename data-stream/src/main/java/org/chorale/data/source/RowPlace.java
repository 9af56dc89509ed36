// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.nio.file.Path;

/**
 * Where a row is, as a user finds it.
 *
 * @param file the file or archive
 * @param number from 1: a line, of an archive a line of its contents; of a table a row
 * @param table whether it is a row of a table
 */
public record RowPlace(Path file, long number, boolean table) {
    static RowPlace of(Path file, long number) {
        return new RowPlace(file, number, FileKind.of(file.toString()).isTable());
    }

    @Override
    public String toString() {
        return file + (table ? ", row " : ":") + number;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.source;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads ranges of bytes from the files of a source. A few files stay open; of many, each is opened when it is read, so
 * that a folder of any size does with a few descriptors. Safe to use from many threads.
 */
final class RowReader implements AutoCloseable {
    private static final int MAX_OPEN_FILES = 64;

    private final List<Path> paths;
    private final List<FileChannel> open;

    private RowReader(List<Path> paths, List<FileChannel> open) {
        this.paths = paths;
        this.open = open;
    }

    static RowReader open(List<Path> paths) throws IOException {
        List<FileChannel> open = new ArrayList<>();
        if (paths.size() <= MAX_OPEN_FILES) {
            try {
                for (Path path : paths) {
                    open.add(FileChannel.open(path, StandardOpenOption.READ));
                }
            } catch (IOException e) {
                closeAll(open);
                throw e;
            }
        }
        return new RowReader(paths, open);
    }

    ByteBuffer read(int file, long offset, int bytes) throws IOException {
        if (!open.isEmpty()) {
            return read(open.get(file), offset, bytes);
        }
        try (FileChannel channel = FileChannel.open(paths.get(file), StandardOpenOption.READ)) {
            return read(channel, offset, bytes);
        }
    }

    @Override
    public void close() throws IOException {
        closeAll(open);
    }

    private static void closeAll(List<FileChannel> channels) throws IOException {
        for (FileChannel channel : channels) {
            channel.close();
        }
    }

    private static ByteBuffer read(FileChannel channel, long offset, int bytes) throws IOException {
        ByteBuffer row = ByteBuffer.allocate(bytes);
        IndexReader.readFully(channel, row, offset);
        return row.flip();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import java.nio.channels.FileChannel;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.parquet.column.ColumnDescriptor;
import org.apache.parquet.column.page.PageReadStore;
import org.apache.parquet.column.page.PageReader;
import org.apache.parquet.format.ColumnChunk;
import org.apache.parquet.format.RowGroup;
import org.apache.parquet.schema.MessageType;

/** The columns of a row group, each read from its own place as its values are wanted. */
final class RowGroupPages implements PageReadStore {
    private final FileChannel file;
    private final long rows;
    private final Map<List<String>, ColumnChunk> chunks = new HashMap<>();

    RowGroupPages(FileChannel file, RowGroup group, MessageType schema) {
        this.file = file;
        this.rows = group.getNum_rows();
        for (ColumnChunk chunk : group.getColumns()) {
            if (chunk.isSetFile_path()) {
                throw new UnsupportedException("columns in other files");
            } else if (!chunk.isSetMeta_data()) {
                throw new UnsupportedException("an encrypted column");
            }
            chunks.put(List.copyOf(chunk.getMeta_data().getPath_in_schema()), chunk);
        }
        for (ColumnDescriptor column : schema.getColumns()) {
            if (!chunks.containsKey(List.of(column.getPath()))) {
                throw new IllegalArgumentException("a row group has no column " + String.join(".", column.getPath()));
            }
        }
    }

    @Override
    public PageReader getPageReader(ColumnDescriptor column) {
        return new ColumnPages(
                file,
                Objects.requireNonNull(chunks.get(List.of(column.getPath()))).getMeta_data());
    }

    @Override
    public long getRowCount() {
        return rows;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import org.apache.parquet.bytes.BytesInput;
import org.apache.parquet.column.Encoding;
import org.apache.parquet.column.page.DataPage;
import org.apache.parquet.column.page.DataPageV1;
import org.apache.parquet.column.page.DataPageV2;
import org.apache.parquet.column.page.DictionaryPage;
import org.apache.parquet.column.page.PageReader;
import org.apache.parquet.column.statistics.Statistics;
import org.apache.parquet.format.ColumnMetaData;
import org.apache.parquet.format.DataPageHeader;
import org.apache.parquet.format.DataPageHeaderV2;
import org.apache.parquet.format.PageHeader;
import org.apache.parquet.format.PageType;
import org.apache.parquet.format.Util;
import org.apache.parquet.io.ParquetDecodingException;
import org.jspecify.annotations.Nullable;

/** The pages of one column in a row group, read and expanded one after the other. */
final class ColumnPages implements PageReader {
    /** No page may take more than this share of the heap: several are held at a time. */
    private static final int HEAP_SHARE = 8;

    private static final int ANY_BYTES = 16 << 20;

    /** Of values, which nobody asks for here. */
    private static final @Nullable Statistics<?> NO_STATISTICS = null;

    private final InputStream in;
    private final ColumnMetaData chunk;
    private final long maxPageBytes = Math.max(ANY_BYTES, Runtime.getRuntime().maxMemory() / HEAP_SHARE);
    private long valuesLeft;
    private @Nullable PageHeader ahead; // read, but not its page

    ColumnPages(FileChannel file, ColumnMetaData chunk) {
        long dictionary = chunk.getDictionary_page_offset();
        long data = chunk.getData_page_offset();
        long begin = dictionary > 0 && dictionary < data ? dictionary : data;
        this.in = new ChannelStream(file, begin, chunk.getTotal_compressed_size());
        this.chunk = chunk;
        this.valuesLeft = chunk.getNum_values();
    }

    @Override
    public long getTotalValueCount() {
        return chunk.getNum_values();
    }

    @Override
    public @Nullable DictionaryPage readDictionaryPage() {
        try {
            PageHeader header = header();
            if (header.getType() != PageType.DICTIONARY_PAGE) {
                return null;
            }
            ahead = null;
            return new DictionaryPage(
                    BytesInput.from(
                            expanded(header, header.getCompressed_page_size(), header.getUncompressed_page_size())),
                    header.getDictionary_page_header().getNum_values(),
                    encoding(header.getDictionary_page_header().getEncoding()));
        } catch (IOException e) {
            throw new ParquetDecodingException(e);
        }
    }

    @Override
    public @Nullable DataPage readPage() {
        try {
            while (valuesLeft > 0) {
                PageHeader header = header();
                ahead = null;
                switch (header.getType()) {
                    case DATA_PAGE -> {
                        return page(header, header.getData_page_header());
                    }
                    case DATA_PAGE_V2 -> {
                        return page(header, header.getData_page_header_v2());
                    }
                    default -> in.skipNBytes(header.getCompressed_page_size());
                }
            }
            return null;
        } catch (IOException e) {
            throw new ParquetDecodingException(e);
        }
    }

    private DataPage page(PageHeader header, DataPageHeader page) throws IOException {
        valuesLeft -= page.getNum_values();
        byte[] bytes = expanded(header, header.getCompressed_page_size(), header.getUncompressed_page_size());
        return new DataPageV1(
                BytesInput.from(bytes),
                page.getNum_values(),
                bytes.length,
                NO_STATISTICS,
                encoding(page.getRepetition_level_encoding()),
                encoding(page.getDefinition_level_encoding()),
                encoding(page.getEncoding()));
    }

    /** Of such a page the levels are never compressed. */
    private DataPage page(PageHeader header, DataPageHeaderV2 page) throws IOException {
        valuesLeft -= page.getNum_values();
        byte[] repetition = bytes(page.getRepetition_levels_byte_length());
        byte[] definition = bytes(page.getDefinition_levels_byte_length());
        int levels = repetition.length + definition.length;
        int packed = header.getCompressed_page_size() - levels;
        byte[] values = page.isIs_compressed()
                ? expanded(header, packed, header.getUncompressed_page_size() - levels)
                : bytes(packed);
        return DataPageV2.uncompressed(
                page.getNum_rows(),
                page.getNum_nulls(),
                page.getNum_values(),
                BytesInput.from(repetition),
                BytesInput.from(definition),
                encoding(page.getEncoding()),
                BytesInput.from(values),
                NO_STATISTICS);
    }

    private PageHeader header() throws IOException {
        if (ahead == null) {
            ahead = Util.readPageHeader(in);
        }
        return ahead;
    }

    private byte[] expanded(PageHeader header, int packed, int plain) throws IOException {
        if (plain < 0 || plain > maxPageBytes) {
            throw new IOException("a page of %d bytes; must be at most %d, an eighth of the heap"
                    .formatted(header.getUncompressed_page_size(), maxPageBytes));
        }
        return PageCodec.expand(chunk.getCodec(), bytes(packed), plain);
    }

    private byte[] bytes(int count) throws IOException {
        if (count < 0 || count > maxPageBytes) {
            throw new IOException(
                    "a page of %d bytes; must be at most %d, an eighth of the heap".formatted(count, maxPageBytes));
        }
        byte[] bytes = in.readNBytes(count);
        if (bytes.length < count) {
            throw new IOException("a page ends too early");
        }
        return bytes;
    }

    private static Encoding encoding(org.apache.parquet.format.Encoding encoding) {
        return Encoding.valueOf(encoding.name());
    }
}

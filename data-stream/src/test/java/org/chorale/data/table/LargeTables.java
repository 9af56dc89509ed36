// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table;

import com.google.flatbuffers.FlatBufferBuilder;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.arrow.flatbuf.Buffer;
import org.apache.arrow.flatbuf.Field;
import org.apache.arrow.flatbuf.FieldNode;
import org.apache.arrow.flatbuf.Message;
import org.apache.arrow.flatbuf.MessageHeader;
import org.apache.arrow.flatbuf.MetadataVersion;
import org.apache.arrow.flatbuf.RecordBatch;
import org.apache.arrow.flatbuf.Schema;
import org.apache.arrow.flatbuf.Type;
import org.apache.arrow.flatbuf.Utf8;
import org.apache.parquet.format.ColumnChunk;
import org.apache.parquet.format.ColumnMetaData;
import org.apache.parquet.format.CompressionCodec;
import org.apache.parquet.format.DataPageHeader;
import org.apache.parquet.format.Encoding;
import org.apache.parquet.format.FieldRepetitionType;
import org.apache.parquet.format.FileMetaData;
import org.apache.parquet.format.PageHeader;
import org.apache.parquet.format.PageType;
import org.apache.parquet.format.RowGroup;
import org.apache.parquet.format.SchemaElement;
import org.apache.parquet.format.Util;

/** Writes tables of one column, {@code text}, as badly as can be: all rows in one row group, or in one batch. */
public final class LargeTables {
    private static final int CHARS = 1000;
    private static final int PAGE_ROWS = 1000;

    private LargeTables() {}

    /** The text of a row: {@value #CHARS} characters, the number first. */
    public static String text(int row) {
        String number = String.valueOf(row);
        return number + "x".repeat(CHARS - number.length());
    }

    /** Writes a table of the kind that the name says. */
    public static Path write(Path file, int rows) throws IOException {
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
            String name = file.toString();
            if (name.endsWith(".parquet")) {
                writeParquet(out, rows);
            } else if (name.endsWith(".arrow")) {
                writeArrow(out, rows);
            } else {
                out.write(utf8("text\n"));
                for (int row = 0; row < rows; row++) {
                    out.write(utf8(text(row) + "\n"));
                }
            }
        }
        return file;
    }

    private static void writeParquet(OutputStream out, int rows) throws IOException {
        int valueBytes = Integer.BYTES + CHARS;
        out.write(utf8("PAR1"));
        for (int page = 0; page < rows; page += PAGE_ROWS) {
            int bytes = valueBytes * PAGE_ROWS;
            DataPageHeader data = new DataPageHeader(PAGE_ROWS, Encoding.PLAIN, Encoding.RLE, Encoding.RLE);
            Util.writePageHeader(new PageHeader(PageType.DATA_PAGE, bytes, bytes).setData_page_header(data), out);
            ByteBuffer values = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
            for (int row = page; row < page + PAGE_ROWS; row++) {
                values.putInt(CHARS).put(utf8(text(row)));
            }
            out.write(values.array());
        }
        ByteArrayOutputStream footer = new ByteArrayOutputStream();
        Util.writeFileMetaData(footer(rows), footer);
        footer.writeTo(out);
        out.write(littleEndian(footer.size()));
        out.write(utf8("PAR1"));
    }

    private static FileMetaData footer(int rows) {
        long bytes = (long) rows * CHARS * 2; // at least what there is; a page's header ends it
        ColumnMetaData column = new ColumnMetaData(
                org.apache.parquet.format.Type.BYTE_ARRAY,
                List.of(Encoding.PLAIN),
                List.of("text"),
                CompressionCodec.UNCOMPRESSED,
                rows,
                bytes,
                bytes,
                4);
        SchemaElement text = new SchemaElement("text")
                .setType(org.apache.parquet.format.Type.BYTE_ARRAY)
                .setRepetition_type(FieldRepetitionType.REQUIRED);
        return new FileMetaData(
                1,
                List.of(new SchemaElement("schema").setNum_children(1), text),
                rows,
                List.of(new RowGroup(List.of(new ColumnChunk(4).setMeta_data(column)), bytes, rows)));
    }

    private static void writeArrow(OutputStream out, int rows) throws IOException {
        FlatBufferBuilder schema = new FlatBufferBuilder();
        int name = schema.createString("text");
        Utf8.startUtf8(schema);
        int type = Utf8.endUtf8(schema);
        int children = Field.createChildrenVector(schema, new int[0]);
        int field = Field.createField(schema, name, false, Type.Utf8, type, 0, children, 0);
        int fields = Schema.createFieldsVector(schema, new int[] {field});
        message(schema, MessageHeader.Schema, Schema.createSchema(schema, (short) 0, fields, 0, 0), 0, out);

        long offsetBytes = (rows / 2 + 1) * 2L * Integer.BYTES; // in eights, at least one more than rows
        long textBytes = (long) rows * CHARS;
        FlatBufferBuilder batch = new FlatBufferBuilder();
        RecordBatch.startNodesVector(batch, 1);
        FieldNode.createFieldNode(batch, rows, 0);
        int nodes = batch.endVector();
        RecordBatch.startBuffersVector(batch, 3);
        Buffer.createBuffer(batch, offsetBytes, textBytes);
        Buffer.createBuffer(batch, 0, offsetBytes);
        Buffer.createBuffer(batch, 0, 0);
        int buffers = batch.endVector();
        RecordBatch.startRecordBatch(batch);
        RecordBatch.addLength(batch, rows);
        RecordBatch.addNodes(batch, nodes);
        RecordBatch.addBuffers(batch, buffers);
        message(batch, MessageHeader.RecordBatch, RecordBatch.endRecordBatch(batch), offsetBytes + textBytes, out);
        for (int row = 0; row < offsetBytes / Integer.BYTES; row++) {
            out.write(littleEndian(row * CHARS));
        }
        for (int row = 0; row < rows; row++) {
            out.write(utf8(text(row)));
        }
    }

    private static void message(FlatBufferBuilder builder, byte kind, int header, long bodyBytes, OutputStream out)
            throws IOException {
        builder.finish(Message.createMessage(builder, MetadataVersion.V5, kind, header, bodyBytes, 0));
        byte[] bytes = builder.sizedByteArray();
        out.write(littleEndian(-1));
        out.write(littleEndian(bytes.length));
        out.write(bytes);
    }

    private static byte[] littleEndian(int number) {
        return ByteBuffer.allocate(Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(number)
                .array();
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}

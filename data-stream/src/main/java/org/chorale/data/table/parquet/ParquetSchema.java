// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.parquet;

import java.util.ArrayList;
import java.util.List;
import org.apache.parquet.format.DecimalType;
import org.apache.parquet.format.LogicalType;
import org.apache.parquet.format.SchemaElement;
import org.apache.parquet.format.TimeUnit;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.apache.parquet.schema.Type.Repetition;
import org.apache.parquet.schema.Types;
import org.jspecify.annotations.Nullable;

/** The columns of a footer, a list in which a group is followed by its fields, as the tree that they are. */
final class ParquetSchema {
    private static final int MAX_DEPTH = 90;

    private final List<SchemaElement> elements;
    private int next;

    private ParquetSchema(List<SchemaElement> elements) {
        this.elements = elements;
    }

    static MessageType of(List<SchemaElement> elements) {
        ParquetSchema schema = new ParquetSchema(elements);
        SchemaElement root = schema.elements.get(schema.next++);
        return new MessageType(root.getName(), schema.fields(root.getNum_children(), 0));
    }

    private List<Type> fields(int count, int depth) {
        if (depth > MAX_DEPTH) {
            throw new UnsupportedException("columns nested more than %d deep".formatted(MAX_DEPTH));
        }
        List<Type> fields = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            SchemaElement element = elements.get(next++);
            fields.add(
                    element.isSetType()
                            ? primitive(element)
                            : group(element, fields(element.getNum_children(), depth + 1)));
        }
        return fields;
    }

    private static Type group(SchemaElement element, List<Type> fields) {
        Types.GroupBuilder<GroupType> builder =
                Types.buildGroup(repetition(element)).addFields(fields.toArray(new Type[0]));
        LogicalTypeAnnotation annotation = annotation(element);
        return (annotation == null ? builder : builder.as(annotation)).named(element.getName());
    }

    private static Type primitive(SchemaElement element) {
        PrimitiveTypeName kind = element.getType() == org.apache.parquet.format.Type.BYTE_ARRAY
                ? PrimitiveTypeName.BINARY
                : PrimitiveTypeName.valueOf(element.getType().name());
        Types.PrimitiveBuilder<PrimitiveType> builder = Types.primitive(kind, repetition(element));
        if (element.isSetType_length()) {
            builder = builder.length(element.getType_length());
        }
        LogicalTypeAnnotation annotation = annotation(element);
        return (annotation == null ? builder : builder.as(annotation)).named(element.getName());
    }

    private static Repetition repetition(SchemaElement element) {
        return Repetition.valueOf(element.getRepetition_type().name());
    }

    /** What values mean beyond their bytes: newer files say it by a logical type, older ones by a converted one. */
    private static @Nullable LogicalTypeAnnotation annotation(SchemaElement element) {
        LogicalTypeAnnotation logical = element.isSetLogicalType() ? annotation(element.getLogicalType()) : null;
        if (logical != null || !element.isSetConverted_type()) {
            return logical;
        }
        return switch (element.getConverted_type()) {
            case MAP, MAP_KEY_VALUE -> LogicalTypeAnnotation.mapType();
            case LIST -> LogicalTypeAnnotation.listType();
            case DECIMAL -> LogicalTypeAnnotation.decimalType(element.getScale(), element.getPrecision());
            case DATE -> LogicalTypeAnnotation.dateType();
            case TIME_MILLIS -> LogicalTypeAnnotation.timeType(true, LogicalTypeAnnotation.TimeUnit.MILLIS);
            case TIME_MICROS -> LogicalTypeAnnotation.timeType(true, LogicalTypeAnnotation.TimeUnit.MICROS);
            case TIMESTAMP_MILLIS -> LogicalTypeAnnotation.timestampType(true, LogicalTypeAnnotation.TimeUnit.MILLIS);
            case TIMESTAMP_MICROS -> LogicalTypeAnnotation.timestampType(true, LogicalTypeAnnotation.TimeUnit.MICROS);
            case UINT_8 -> LogicalTypeAnnotation.intType(8, false);
            case UINT_16 -> LogicalTypeAnnotation.intType(16, false);
            case UINT_32 -> LogicalTypeAnnotation.intType(32, false);
            case UINT_64 -> LogicalTypeAnnotation.intType(64, false);
            default -> null; // texts and signed numbers are written as they are
        };
    }

    private static @Nullable LogicalTypeAnnotation annotation(LogicalType type) {
        return switch (type.getSetField()) {
            case MAP -> LogicalTypeAnnotation.mapType();
            case LIST -> LogicalTypeAnnotation.listType();
            case DECIMAL -> decimal(type.getDECIMAL());
            case DATE -> LogicalTypeAnnotation.dateType();
            case TIME ->
                LogicalTypeAnnotation.timeType(
                        type.getTIME().isIsAdjustedToUTC(), unit(type.getTIME().getUnit()));
            case TIMESTAMP ->
                LogicalTypeAnnotation.timestampType(
                        type.getTIMESTAMP().isIsAdjustedToUTC(),
                        unit(type.getTIMESTAMP().getUnit()));
            case INTEGER ->
                LogicalTypeAnnotation.intType(
                        type.getINTEGER().getBitWidth(), type.getINTEGER().isIsSigned());
            case UUID -> LogicalTypeAnnotation.uuidType();
            case FLOAT16 -> LogicalTypeAnnotation.float16Type();
            default -> null;
        };
    }

    private static LogicalTypeAnnotation decimal(DecimalType decimal) {
        return LogicalTypeAnnotation.decimalType(decimal.getScale(), decimal.getPrecision());
    }

    private static LogicalTypeAnnotation.TimeUnit unit(TimeUnit unit) {
        return LogicalTypeAnnotation.TimeUnit.valueOf(unit.getSetField().name());
    }
}

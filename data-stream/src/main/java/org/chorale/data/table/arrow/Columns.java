// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table.arrow;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.apache.arrow.flatbuf.DictionaryEncoding;
import org.apache.arrow.flatbuf.Field;
import org.apache.arrow.flatbuf.FixedSizeList;
import org.apache.arrow.flatbuf.Schema;
import org.apache.arrow.flatbuf.Type;
import org.chorale.data.table.arrow.DictionaryColumn.Dictionary;

/** The columns of a schema, and its dictionaries by number. */
final class Columns {
    private static final int MAX_DEPTH = 90;

    private final Map<String, Column> byName = new LinkedHashMap<>();
    private final Map<Long, Dictionary> dictionaries = new HashMap<>();

    Columns(Schema schema) {
        for (int i = 0; i < schema.fieldsLength(); i++) {
            Field field = schema.fields(i);
            if (byName.put(name(field), column(field, 0)) != null) {
                throw new UnsupportedException("two columns %s".formatted(field.name()));
            }
        }
    }

    /** Columns in their order. */
    Map<String, Column> byName() {
        return byName;
    }

    Dictionary dictionary(long id) {
        return Objects.requireNonNull(dictionaries.get(id), "no column has the dictionary that is given");
    }

    private static String name(Field field) {
        return Objects.requireNonNullElse(field.name(), "");
    }

    private Column column(Field field, int depth) {
        if (depth > MAX_DEPTH) {
            throw new UnsupportedException("columns nested more than %d deep".formatted(MAX_DEPTH));
        }
        DictionaryEncoding encoding = field.dictionary();
        if (encoding == null) {
            return plain(field, depth);
        }
        Dictionary dictionary =
                dictionaries.computeIfAbsent(encoding.id(), id -> new Dictionary(() -> plain(field, depth)));
        int bits = encoding.indexType() == null
                ? Integer.SIZE
                : encoding.indexType().bitWidth();
        boolean signed = encoding.indexType() == null || encoding.indexType().isSigned();
        return new DictionaryColumn(Numbers.whole(bits, signed), dictionary);
    }

    private Column plain(Field field, int depth) {
        return switch (field.typeType()) {
            case Type.Null -> new NullColumn();
            case Type.Utf8, Type.Binary -> new TextColumn(false);
            case Type.LargeUtf8, Type.LargeBinary -> new TextColumn(true);
            case Type.Utf8View, Type.BinaryView -> new ViewColumn();
            case Type.List -> new ListColumn(false, child(field, 0, depth));
            case Type.LargeList -> new ListColumn(true, child(field, 0, depth));
            case Type.FixedSizeList -> {
                FixedSizeList list = Objects.requireNonNull((FixedSizeList) field.type(new FixedSizeList()));
                yield new FixedListColumn(list.listSize(), child(field, 0, depth));
            }
            case Type.Struct_ -> new StructColumn(children(field, depth));
            case Type.Map -> map(Objects.requireNonNull(field.children(0)), depth + 1);
            default -> new PlainColumn(Numbers.of(field));
        };
    }

    private Column map(Field entries, int depth) {
        Map<String, Column> children = children(entries, depth);
        Column[] two = children.values().toArray(new Column[0]);
        if (two.length != 2) {
            throw new IllegalArgumentException("a map has %d columns, not two".formatted(two.length));
        }
        return new MapColumn(two[0], two[1], new StructColumn(children));
    }

    private Column child(Field field, int index, int depth) {
        return column(Objects.requireNonNull(field.children(index), "a list has no column of elements"), depth + 1);
    }

    private Map<String, Column> children(Field field, int depth) {
        Map<String, Column> children = new LinkedHashMap<>();
        for (int i = 0; i < field.childrenLength(); i++) {
            if (children.put(name(field.children(i)), child(field, i, depth)) != null) {
                throw new UnsupportedException(
                        "two fields %s in %s".formatted(field.children(i).name(), field.name()));
            }
        }
        return children;
    }
}

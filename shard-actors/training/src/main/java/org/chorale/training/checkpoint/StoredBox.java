// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.training.checkpoint;

import java.util.ArrayList;
import java.util.List;

/**
 * A box of a parameter, or of its optimizer state, as a checkpoint's file holds it, in global coordinates. Its elements
 * follow each other in the parameter's row-major order, so that a box is the elements [from, until) as well.
 *
 * @param key in the file, and in no other file of the checkpoint: the {@link #valuesKey} where the box is the whole, else
 *     that, {@code @}, and the number of the box's first element
 * @param kind {@link #WEIGHT}, or a kind of optimizer state such as {@code adam.m}
 * @param shape of the whole parameter
 * @param offset of the box, one per dimension
 * @param extent of the box
 */
public record StoredBox(
        String key, String parameter, String kind, List<Long> shape, List<Long> offset, List<Long> extent) {
    public static final String WEIGHT = "weight";

    public StoredBox {
        shape = List.copyOf(shape);
        offset = List.copyOf(offset);
        extent = List.copyOf(extent);
    }

    /**
     * The elements [from, until) of a parameter in as few boxes as can be: of d dimensions at most 2d - 1, the rest of a
     * row, whole rows, and the begin of a row, in each dimension.
     */
    static List<StoredBox> of(String parameter, String kind, List<Long> shape, long from, long until) {
        List<StoredBox> boxes = new ArrayList<>();
        for (long begin = from;
                begin < until;
                begin += boxes.get(boxes.size() - 1).elements()) {
            boxes.add(largest(parameter, kind, shape, begin, until));
        }
        return boxes;
    }

    /** The largest box that begins with an element and ends by {@code until}. */
    private static StoredBox largest(String parameter, String kind, List<Long> shape, long begin, long until) {
        List<Long> offset = new ArrayList<>();
        List<Long> extent = new ArrayList<>();
        long row = elements(shape); // elements of a row of the dimension at hand
        boolean inside = false; // whole rows were found in a dimension before
        for (long size : shape) {
            row /= size;
            long index = begin / row % size;
            long rows = begin % row == 0 ? Math.min((until - begin) / row, size - index) : 0;
            offset.add(index);
            extent.add(inside ? size : Math.max(rows, 1));
            inside |= rows > 0;
        }
        String key = valuesKey(kind, parameter);
        return new StoredBox(extent.equals(shape) ? key : key + "@" + begin, parameter, kind, shape, offset, extent);
    }

    /** What all boxes of a parameter's values are called; weights have their published name, for other tools to read. */
    static String valuesKey(String kind, String parameter) {
        return kind.equals(WEIGHT) ? parameter : kind + "." + parameter;
    }

    String valuesKey() {
        return valuesKey(kind, parameter);
    }

    /** Numbers in the box. */
    long elements() {
        return elements(extent);
    }

    /** Numbers in the whole parameter. */
    long wholeElements() {
        return elements(shape);
    }

    /** The number of the first element in the parameter's row-major order. */
    long from() {
        long from = 0;
        for (int i = 0; i < shape.size(); i++) {
            from = from * shape.get(i) + offset.get(i);
        }
        return from;
    }

    long until() {
        return from() + elements();
    }

    boolean isWhole() {
        return extent.equals(shape);
    }

    /** What cannot be true of a box that somebody else describes; empty where nothing is wrong. */
    String problem() {
        if (offset.size() != shape.size() || extent.size() != shape.size()) {
            return "has offset %s and extent %s in shape %s".formatted(offset, extent, shape);
        }
        boolean rowsFound = false;
        long span = 1;
        for (int i = 0; i < shape.size(); i++) {
            long size = shape.get(i);
            long length = extent.get(i);
            if (size < 1 || offset.get(i) < 0 || length < 1 || offset.get(i) > size - length) {
                return "has extent %s at %s, which is not inside of shape %s".formatted(extent, offset, shape);
            } else if (span > Long.MAX_VALUE / size) {
                return "has shape %s, which overflows".formatted(shape);
            } else if (rowsFound && length != size) {
                return "has extent %s in shape %s, whose elements do not follow each other".formatted(extent, shape);
            }
            rowsFound |= length > 1;
            span *= size;
        }
        return "";
    }

    private static long elements(List<Long> sizes) {
        return sizes.stream().reduce(1L, Math::multiplyExact);
    }
}

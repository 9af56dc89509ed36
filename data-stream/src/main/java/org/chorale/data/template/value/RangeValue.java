// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.util.Iterator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** {@code range(start, stop, step)}. */
public record RangeValue(long start, long stop, long step, int length) implements Value {
    public static RangeValue of(long start, long stop, long step) {
        long span = step > 0 ? stop - start : start - stop;
        long length = span <= 0 ? 0 : (span - 1) / Math.abs(step) + 1;
        return new RangeValue(start, stop, step, Math.toIntExact(length));
    }

    public Value at(int index) {
        return IntValue.of(start + index * step);
    }

    /** Whether a number is among the elements. */
    boolean has(long number) {
        long distance = number - start;
        return distance % step == 0 && distance / step >= 0 && distance / step < length;
    }

    @Override
    public String typeName() {
        return "range";
    }

    @Override
    public void appendText(TextBuilder out) {
        out.append("range(" + start + ", " + stop + (step == 1 ? ")" : ", " + step + ")"));
    }

    @Override
    public boolean isTrue() {
        return length > 0;
    }

    @Override
    public boolean hasLength() {
        return true;
    }

    @Override
    public boolean isIterable() {
        return true;
    }

    @Override
    public Iterator<Value> iterator() {
        return LongStream.range(0, length)
                .mapToObj(index -> (Value) IntValue.of(start + index * step))
                .iterator();
    }

    @Override
    public @Nullable Value attribute(String name) {
        return switch (name) {
            case "start" -> IntValue.of(start);
            case "stop" -> IntValue.of(stop);
            case "step" -> IntValue.of(step);
            default -> null;
        };
    }
}

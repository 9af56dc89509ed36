// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.math.BigInteger;
import org.chorale.data.template.limit.TemplateException;
import org.jspecify.annotations.Nullable;

/** A whole number of any size within {@link #MAX_BITS}. */
public final class IntValue implements Value {
    /** More than the digits that Python prints need; beyond it, arithmetic would take noticeable time. */
    static final int MAX_BITS = 1 << 14;

    /** Python prints no more; a text of more is no number either. */
    public static final int MAX_DIGITS = 4300;

    public static final IntValue ZERO = new IntValue(0, null);

    private final long small;
    private final @Nullable BigInteger big;

    private IntValue(long small, @Nullable BigInteger big) {
        this.small = small;
        this.big = big;
    }

    public static IntValue of(long value) {
        return value == 0 ? ZERO : new IntValue(value, null);
    }

    public static IntValue of(BigInteger value) {
        if (value.bitLength() < Long.SIZE) {
            return of(value.longValue());
        } else if (value.bitLength() > MAX_BITS) {
            throw tooLarge();
        }
        return new IntValue(value.longValue(), value);
    }

    static TemplateException tooLarge() {
        return TemplateException.limit("a whole number is larger than 2 ** " + MAX_BITS);
    }

    public boolean isSmall() {
        return big == null;
    }

    /** The value, if it is {@link #isSmall}. */
    public long small() {
        return small;
    }

    public BigInteger big() {
        return big == null ? BigInteger.valueOf(small) : big;
    }

    /** As a float; infinity is refused as in Python. */
    public double toDouble() {
        double value = big == null ? small : big.doubleValue();
        if (Double.isInfinite(value)) {
            throw TemplateException.operation("int too large to convert to float");
        }
        return value;
    }

    /** The nearest number that an index can be. */
    public long clamped() {
        if (big == null) {
            return small;
        }
        return big.signum() > 0 ? Long.MAX_VALUE : Long.MIN_VALUE;
    }

    @Override
    public String typeName() {
        return "int";
    }

    @Override
    public void appendText(TextBuilder out) {
        String digits = digits();
        out.budget().digits(digits.length());
        out.append(digits);
    }

    /** The number in decimal digits. */
    public String digits() {
        if (big == null) {
            return Long.toString(small);
        }
        String digits = big.toString();
        if (digits.length() - (big.signum() < 0 ? 1 : 0) > MAX_DIGITS) {
            throw TemplateException.limit("a whole number of more than " + MAX_DIGITS + " digits is not printed");
        }
        return digits;
    }

    @Override
    public boolean isTrue() {
        return big != null || small != 0;
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.template.value;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import org.chorale.data.template.limit.TemplateException;

/** Two numbers that are to be computed with: both whole, or both floats. */
sealed interface Arithmetic {
    /** The numbers of two values; anything else is refused in Python's words. */
    static Arithmetic of(Value left, Value right, String operator) {
        IntValue a = Operators.asInt(left);
        IntValue b = Operators.asInt(right);
        if (a != null && b != null) {
            return a.isSmall() && b.isSmall() ? new Small(a.small(), b.small()) : new Whole(a.big(), b.big());
        } else if ((a == null && !(left instanceof FloatValue)) || (b == null && !(right instanceof FloatValue))) {
            throw TemplateException.operation("unsupported operand type(s) for %s: '%s' and '%s'"
                    .formatted(operator, left.typeName(), right.typeName()));
        }
        return new Real(
                a == null ? ((FloatValue) left).value() : a.toDouble(),
                b == null ? ((FloatValue) right).value() : b.toDouble());
    }

    Value add();

    Value subtract();

    Value multiply();

    Value divide();

    Value floorDivide();

    Value modulo();

    Value power();

    /** Whole numbers that fit a long; what does not fit is computed by {@link Whole}. */
    record Small(long a, long b) implements Arithmetic {
        private Whole whole() {
            return new Whole(BigInteger.valueOf(a), BigInteger.valueOf(b));
        }

        @Override
        public Value add() {
            long sum = a + b;
            return ((a ^ sum) & (b ^ sum)) < 0 ? whole().add() : IntValue.of(sum);
        }

        @Override
        public Value subtract() {
            long difference = a - b;
            return ((a ^ b) & (a ^ difference)) < 0 ? whole().subtract() : IntValue.of(difference);
        }

        @Override
        public Value multiply() {
            long low = a * b;
            return Math.multiplyHigh(a, b) == low >> (Long.SIZE - 1) ? IntValue.of(low) : whole().multiply();
        }

        @Override
        public Value divide() {
            return whole().divide();
        }

        @Override
        public Value floorDivide() {
            return b == 0 || b == -1 ? whole().floorDivide() : IntValue.of(Math.floorDiv(a, b));
        }

        @Override
        public Value modulo() {
            return b == 0 ? whole().modulo() : IntValue.of(Math.floorMod(a, b));
        }

        @Override
        public Value power() {
            return whole().power();
        }
    }

    /** Whole numbers of any size. */
    record Whole(BigInteger a, BigInteger b) implements Arithmetic {
        /** Whole numbers up to this size are doubles too. */
        private static final int EXACT_BITS = 53;

        @Override
        public Value add() {
            return IntValue.of(a.add(b));
        }

        @Override
        public Value subtract() {
            return IntValue.of(a.subtract(b));
        }

        @Override
        public Value multiply() {
            return IntValue.of(a.multiply(b));
        }

        @Override
        public Value divide() {
            if (b.signum() == 0) {
                throw TemplateException.operation("division by zero");
            }
            if (a.bitLength() <= EXACT_BITS && b.bitLength() <= EXACT_BITS) {
                return new FloatValue(a.doubleValue() / b.doubleValue());
            }
            double quotient = new BigDecimal(a)
                    .divide(new BigDecimal(b), MathContext.DECIMAL128)
                    .doubleValue();
            if (Double.isInfinite(quotient)) {
                throw TemplateException.operation("integer division result too large for a float");
            }
            return new FloatValue(quotient);
        }

        @Override
        public Value floorDivide() {
            requireDivisor();
            BigInteger[] parts = a.divideAndRemainder(b);
            boolean inexactNegative = parts[1].signum() != 0 && parts[1].signum() != b.signum();
            return IntValue.of(inexactNegative ? parts[0].subtract(BigInteger.ONE) : parts[0]);
        }

        @Override
        public Value modulo() {
            requireDivisor();
            BigInteger rest = a.remainder(b);
            return IntValue.of(rest.signum() != 0 && rest.signum() != b.signum() ? rest.add(b) : rest);
        }

        private void requireDivisor() {
            if (b.signum() == 0) {
                throw TemplateException.operation("integer division or modulo by zero");
            }
        }

        @Override
        public Value power() {
            if (b.signum() < 0) {
                return new Real(IntValue.of(a).toDouble(), IntValue.of(b).toDouble()).power();
            } else if (a.bitLength() <= 1 && a.signum() >= 0) { // 0 and 1, whatever the exponent
                return b.signum() == 0 ? IntValue.of(1) : IntValue.of(a);
            } else if (b.bitLength() >= Integer.SIZE || (a.bitLength() - 1L) * b.intValue() > IntValue.MAX_BITS) {
                if (a.equals(BigInteger.ONE.negate())) {
                    return IntValue.of(b.testBit(0) ? -1 : 1);
                }
                throw IntValue.tooLarge();
            }
            return IntValue.of(a.pow(b.intValue()));
        }
    }

    /** Floats. */
    record Real(double a, double b) implements Arithmetic {
        @Override
        public Value add() {
            return new FloatValue(a + b);
        }

        @Override
        public Value subtract() {
            return new FloatValue(a - b);
        }

        @Override
        public Value multiply() {
            return new FloatValue(a * b);
        }

        @Override
        public Value divide() {
            requireDivisor("float division by zero");
            return new FloatValue(a / b);
        }

        @Override
        public Value floorDivide() {
            requireDivisor("float floor division by zero");
            double floor = Math.floor((a - remainder()) / b + 0.5);
            return new FloatValue(floor == 0 ? Math.copySign(0, a / b) : floor);
        }

        @Override
        public Value modulo() {
            requireDivisor("float modulo");
            return new FloatValue(remainder());
        }

        /** With the sign of the divisor. */
        private double remainder() {
            double rest = a % b;
            if (rest == 0) {
                return Math.copySign(0, b);
            }
            return (rest < 0) == (b < 0) ? rest : rest + b;
        }

        private void requireDivisor(String problem) {
            if (b == 0) {
                throw TemplateException.operation(problem);
            }
        }

        @Override
        public Value power() {
            if (a == 0 && b < 0) {
                throw TemplateException.operation("0.0 cannot be raised to a negative power");
            } else if (a < 0 && b != Math.rint(b)) {
                throw TemplateException.operation("complex numbers are not supported");
            } else if (a == 1) {
                return new FloatValue(1);
            }
            double power = Math.pow(a, b);
            if (Double.isInfinite(power) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
                throw TemplateException.operation("(34, 'Numerical result out of range')");
            }
            return new FloatValue(power);
        }
    }
}

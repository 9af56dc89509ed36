// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.security;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;

/** Values in ASN.1's distinguished encoding (X.690), as far as a certificate needs them: tag, length, content. */
final class Der {
    private static final int FIRST_YEAR_OF_FOUR_DIGITS = 2050; // RFC 5280, 4.1.2.5
    private static final DateTimeFormatter UTC_TIME = DateTimeFormatter.ofPattern("yyMMddHHmmss'Z'");
    private static final DateTimeFormatter GENERALIZED_TIME = DateTimeFormatter.ofPattern("yyyyMMddHHmmss'Z'");

    private Der() {}

    static byte[] sequence(byte[]... values) {
        return tagged(0x30, concatenated(values));
    }

    static byte[] set(byte[] value) {
        return tagged(0x31, value);
    }

    static byte[] integer(BigInteger value) {
        return tagged(0x02, value.toByteArray());
    }

    static byte[] yes() {
        return new byte[] {0x01, 0x01, (byte) 0xff};
    }

    static byte[] octets(byte[] value) {
        return tagged(0x04, value);
    }

    /** @param unusedBits at the end of the last byte */
    static byte[] bits(int unusedBits, byte... value) {
        return tagged(0x03, concatenated(new byte[] {(byte) unusedBits}, value));
    }

    static byte[] text(String value) {
        return tagged(0x0c, value.getBytes(StandardCharsets.UTF_8));
    }

    static byte[] time(Instant instant) {
        ZonedDateTime time = instant.atZone(ZoneOffset.UTC);
        return time.getYear() < FIRST_YEAR_OF_FOUR_DIGITS
                ? tagged(0x17, UTC_TIME.format(time).getBytes(StandardCharsets.US_ASCII))
                : tagged(0x18, GENERALIZED_TIME.format(time).getBytes(StandardCharsets.US_ASCII));
    }

    /** @param dotted as in {@code 2.5.29.17}; the first two numbers share a byte */
    static byte[] oid(String dotted) {
        String[] numbers = dotted.split("\\.", -1);
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        content.write(40 * Integer.parseInt(numbers[0]) + Integer.parseInt(numbers[1]));
        for (int i = 2; i < numbers.length; i++) {
            writeBase128(content, Integer.parseInt(numbers[i]));
        }
        return tagged(0x06, content.toByteArray());
    }

    /** A value under a tag that only its place gives a meaning. */
    static byte[] context(int tag, boolean constructed, byte[] content) {
        return tagged(0x80 | (constructed ? 0x20 : 0) | tag, content);
    }

    private static void writeBase128(ByteArrayOutputStream out, int number) {
        for (int shift = 28; shift > 0; shift -= 7) {
            if (number >>> shift != 0) {
                out.write(0x80 | ((number >>> shift) & 0x7f));
            }
        }
        out.write(number & 0x7f);
    }

    private static byte[] tagged(int tag, byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(content.length + 6);
        out.write(tag);
        if (content.length < 0x80) {
            out.write(content.length);
        } else {
            byte[] length = BigInteger.valueOf(content.length).toByteArray();
            int from = length[0] == 0 ? 1 : 0;
            out.write(0x80 | (length.length - from));
            out.write(length, from, length.length - from);
        }
        out.writeBytes(content);
        return out.toByteArray();
    }

    private static byte[] concatenated(byte[]... values) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] value : values) {
            out.writeBytes(value);
        }
        return out.toByteArray();
    }
}

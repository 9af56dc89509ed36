// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.inspect;

import java.util.Locale;

/** How columns and byte counts are written. */
final class Layout {
    private static final long KIBI = 1024;
    private static final String PREFIXES = "KMGTPE";

    private Layout() {}

    static String field(String name, Object value) {
        return String.format(Locale.ROOT, "%-14s%s", name, value);
    }

    /** Below a field; names are longer here. */
    static String detail(String name, Object value) {
        return String.format(Locale.ROOT, "  %-26s%s", name, value);
    }

    static String count(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }

    /** 1,536 (1.5 KiB): exact, and readable. */
    static String bytes(long bytes) {
        double scaled = bytes;
        int prefix = -1;
        while (scaled >= KIBI) {
            scaled /= KIBI;
            prefix++;
        }
        return prefix < 0
                ? bytes + " bytes"
                : String.format(Locale.ROOT, "%,d bytes (%.1f %siB)", bytes, scaled, PREFIXES.charAt(prefix));
    }
}

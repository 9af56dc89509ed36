// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data.table;

/** Tells texts from other bytes. */
final class Utf8 {
    private Utf8() {}

    /** Whether bytes are whole characters, each in its shortest form and no surrogate, as RFC 3629 has it. */
    static boolean isValid(byte[] bytes, int offset, int length) {
        int end = offset + length;
        int i = offset;
        while (i < end) {
            int lead = bytes[i];
            if (lead >= 0) {
                i++;
                continue;
            }
            int more = continuations(lead & 0xFF);
            if (more == 0 || end - i <= more || !secondIsValid(lead & 0xFF, bytes[i + 1] & 0xFF)) {
                return false;
            }
            for (int k = 2; k <= more; k++) {
                if ((bytes[i + k] & 0xC0) != 0x80) {
                    return false;
                }
            }
            i += more + 1;
        }
        return true;
    }

    /** How many bytes follow a first byte; 0 where it is none. */
    private static int continuations(int lead) {
        if (lead < 0xC2 || lead > 0xF4) {
            return 0;
        }
        return lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    }

    private static boolean secondIsValid(int lead, int second) {
        int low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        int high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        return second >= low && second <= high;
    }
}

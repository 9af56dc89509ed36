// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.kryo;

import com.esotericsoftware.kryo.KryoException;
import com.esotericsoftware.kryo.io.Input;

/** Checks lengths before anything is allocated for them. */
final class Bounds {
    private Bounds() {}

    /** Reads how many elements follow, which can be no more than the remaining bytes hold. */
    static int count(Input input, int leastBytesEach) {
        int count = input.readVarInt(true);
        int remaining = input.limit() - input.position();
        if (count < 0 || count > remaining / leastBytesEach) {
            throw new KryoException(count + " elements are said to follow in " + remaining + " bytes");
        }
        return count;
    }
}

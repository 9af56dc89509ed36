// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * What the process of a worker is told by its standard input, which stays open after it: its end is the node's end.
 *
 * @param place node and slot
 * @param incarnation of the process in this place, from 1
 * @param bindHost the only address on which the process listens
 * @param coordinator of the run, as a serialized ActorRef
 * @param keeper of the place, likewise
 * @param system configuration of the process's actor system, in HOCON
 */
record WorkerOrder(String place, int incarnation, String bindHost, String coordinator, String keeper, String system) {
    /** Spells CHOR: whoever starts the process by hand sees that its input is no order. */
    private static final int MAGIC = 0x43484f52;

    /** Of one text. A class path is not among them. */
    private static final int MAX_BYTES = 1 << 20;

    void writeTo(OutputStream stream) throws IOException {
        DataOutputStream out = new DataOutputStream(stream);
        out.writeInt(MAGIC);
        write(out, place);
        out.writeInt(incarnation);
        write(out, bindHost);
        write(out, coordinator);
        write(out, keeper);
        write(out, system);
        out.flush();
    }

    /** @throws IOException where the input ends early or holds something else */
    static WorkerOrder readFrom(InputStream stream) throws IOException {
        DataInputStream in = new DataInputStream(stream);
        int magic = in.readInt();
        if (magic != MAGIC) {
            throw new IOException(
                    "begins with 0x%08x, which no order does: a node starts this process".formatted(magic));
        }
        return new WorkerOrder(read(in), in.readInt(), read(in), read(in), read(in), read(in));
    }

    private static void write(DataOutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    private static String read(DataInputStream in) throws IOException {
        int length = in.readInt();
        if (length < 0 || length > MAX_BYTES) {
            throw new IOException("holds a text of %d bytes: at most %d are read".formatted(length, MAX_BYTES));
        }
        byte[] bytes = new byte[length];
        in.readFully(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}

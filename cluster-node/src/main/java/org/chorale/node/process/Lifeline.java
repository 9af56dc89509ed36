// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.IOException;
import java.io.InputStream;

/** A worker's standard input, which its node holds open: where it ends, the node has ended, be it by SIGKILL. */
final class Lifeline {
    private Lifeline() {}

    /** Carries this out once the input has ended. Bytes in it mean nothing. */
    static void onEnd(InputStream input, Runnable action) {
        Thread thread = new Thread(() -> hold(input, action), "lifeline");
        thread.setDaemon(true);
        thread.start();
    }

    private static void hold(InputStream input, Runnable action) {
        try {
            while (input.read() >= 0) {
                // the node writes nothing more
            }
        } catch (IOException e) {
            // as good as its end
        } finally {
            action.run();
        }
    }
}

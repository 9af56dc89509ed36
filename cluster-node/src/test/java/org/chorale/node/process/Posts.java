// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.util.List;
import org.chorale.node.system.SystemConfig;

/** Places for stub workers on this machine. */
final class Posts {
    private static final String HOST = "127.0.0.1";
    private static final int THREADS = 3;

    private Posts() {}

    static WorkerKeeper.Post of(String place) {
        WorkerJvm jvm = new WorkerJvm(
                List.of("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                System.getProperty("java.class.path"),
                StubWorker.class.getName(),
                THREADS);
        return new WorkerKeeper.Post(place, HOST, SystemConfig.text(SystemConfig.remote(HOST, 0)), jvm);
    }
}

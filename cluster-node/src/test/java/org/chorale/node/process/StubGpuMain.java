// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.util.concurrent.CountDownLatch;

/** Stands in for the process that counts GPUs: does what the property of its name says. */
final class StubGpuMain {
    static final String COUNTS = "counts";
    static final String CRASHES = "crashes";
    static final String BREAKS_OFF = "breaks-off";
    static final String HANGS = "hangs";

    private StubGpuMain() {}

    public static void main(String[] arguments) throws InterruptedException {
        System.err.println("WARN Stub - the music is loud");
        switch (System.getProperty("stub")) {
            case COUNTS -> {
                System.out.println("chorale-gpu NVIDIA H200\nchorale-gpu NVIDIA L4");
                System.err.println("and so it is between the lines");
                System.out.println("chorale-gpus 2");
            }
            case CRASHES -> {
                System.err.println("UnsatisfiedLinkError: libcudart.so.13");
                System.exit(3);
            }
            case BREAKS_OFF -> System.out.println("chorale-gpu NVIDIA H200");
            default -> new CountDownLatch(1).await();
        }
    }
}

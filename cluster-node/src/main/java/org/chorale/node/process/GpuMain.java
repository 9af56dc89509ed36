// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import java.io.PrintStream;
import java.util.stream.IntStream;
import org.chorale.tensor.device.Device;

/**
 * The process in which a node counts its GPUs, as {@link GpuCount} reads it: a line for each, and one at the end that says
 * how many there were. It ends with its node.
 */
final class GpuMain {
    /** Before the name of a GPU. */
    static final String GPU = "chorale-gpu ";
    /** Before the number of GPUs. */
    static final String END = "chorale-gpus ";

    private GpuMain() {}

    public static void main(String[] arguments) {
        int nodeGone = WorkerExit.NODE_GONE.code();
        Lifeline.onEnd(System.in, () -> Runtime.getRuntime().halt(nodeGone));
        PrintStream out = System.out;
        int gpus = Device.gpus();
        IntStream.range(0, gpus)
                .forEach(index -> out.println(GPU + Device.cuda(index).model()));
        out.println(END + gpus);
        out.flush();
        Runtime.getRuntime().halt(0); // whatever the driver's threads are about
    }
}

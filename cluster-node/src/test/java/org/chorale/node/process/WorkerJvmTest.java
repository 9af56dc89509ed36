// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The environment of a worker's process, where that of this one does not say otherwise. */
final class WorkerJvmTest {
    private static final WorkerJvm JVM = new WorkerJvm(List.of(), "classes", "Main", 3);

    @Test
    void ncclStaysOnTheInterfaceOfTheAddressThatAWorkerListensOn() {
        assertThat(environment("127.0.0.1")).containsEntry("NCCL_SOCKET_IFNAME", "=lo");
        assertThat(environment("192.0.2.1")).as("an address of nobody's").doesNotContainKey("NCCL_SOCKET_IFNAME");
    }

    @Test
    void gpusHaveTheDriversNumbersAndGroupsOverThemCanBeGivenUp() {
        assertThat(environment("127.0.0.1"))
                .containsEntry("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
                .containsEntry("NCCL_NVLS_ENABLE", "0");
    }

    @Test
    void workersThatShareAGpuAreOnMachinesOfTheirOwnToNccl() {
        assertThat(environment("127.0.0.1")).doesNotContainKey("NCCL_HOSTID");
        assertThat(environment(JVM.sharingGpu("here/0"), "127.0.0.1")).containsEntry("NCCL_HOSTID", "here/0");
        assertThat(environment(JVM.sharingGpu("here/1"), "127.0.0.1")).containsEntry("NCCL_HOSTID", "here/1");
    }

    @Test
    void modulesWithoutPekkoWriteToTheSameLog() {
        assertThat(System.getLogger("org.chorale.model").getClass().getName()).startsWith("org.slf4j.");
    }

    private static Map<String, String> environment(String bindHost) {
        return environment(JVM, bindHost);
    }

    private static Map<String, String> environment(WorkerJvm jvm, String bindHost) {
        return jvm.builder(bindHost).environment();
    }
}

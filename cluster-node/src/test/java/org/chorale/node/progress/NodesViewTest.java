// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.chorale.proto.wire.NodeStatus;
import org.junit.jupiter.api.Test;

/** What is shown of a cluster's nodes. */
final class NodesViewTest {
    private static final NodeStatus WITH_GPUS = NodeStatus.newBuilder()
            .setAddress("10.0.0.7:2550")
            .setHost("seven")
            .addAllRoles(List.of("feeder", "worker"))
            .setSlots(3)
            .setHeld(1)
            .addAllGpus(List.of("NVIDIA H200", "NVIDIA L4", "NVIDIA H200"))
            .build();

    private static final NodeStatus WITHOUT = NodeStatus.newBuilder()
            .setAddress("10.0.0.12:2550")
            .setHost("twelve")
            .addRoles("coordinator")
            .build();

    @Test
    void aNodeIsALineWithItsFreeSlotsAndItsGpusByKind() {
        assertThat(NodesView.table(List.of(WITH_GPUS, WITHOUT)))
                .containsExactly(
                        "NODE            HOST    ROLES          SLOTS  FREE  GPUS",
                        "10.0.0.7:2550   seven   feeder,worker  3      2     2 x NVIDIA H200, 1 x NVIDIA L4",
                        "10.0.0.12:2550  twelve  coordinator    0      0     -");
    }

    @Test
    void programsAreToldEachGpuInTheOrderOfItsNumber() {
        assertThat(NodesView.json(WITH_GPUS))
                .hasToString("{\"event\":\"node\",\"address\":\"10.0.0.7:2550\",\"host\":\"seven\",\"slots\":3,"
                        + "\"held\":1,\"roles\":[\"feeder\",\"worker\"],"
                        + "\"gpus\":[\"NVIDIA H200\",\"NVIDIA L4\",\"NVIDIA H200\"]}");
    }

    @Test
    void aNodeThatStartsSaysWhatRoomItHas() {
        assertThat(NodesView.room(2, List.of("NVIDIA H200", "NVIDIA H200"))).isEqualTo("2 slot(s) and 2 x NVIDIA H200");
        assertThat(NodesView.room(1, List.of())).isEqualTo("1 slot(s) and no GPU");
    }
}

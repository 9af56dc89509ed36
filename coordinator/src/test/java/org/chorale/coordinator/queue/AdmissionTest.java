// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.coordinator.queue;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.apache.pekko.actor.testkit.typed.javadsl.TestInbox;
import org.chorale.proto.fault.Fault;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.NodeCommand;
import org.chorale.proto.message.RunsCommand.NodeJoined;
import org.chorale.proto.message.RunsCommand.Preflight;
import org.junit.jupiter.api.Test;

class AdmissionTest {
    private static final long NOW_MILLIS = 1_700_000_000_000L;
    private static final long MIB = 1 << 20;
    private static final Preflight OWN = new Preflight("0.1.0", "17.0.12", "abc", 0, 0);

    @Test
    void aNodeLikeTheClusterIsTaken() {
        NodeJoined node = node(new Preflight("0.1.0", "17.0.12", "abc", 2 * 256 * MIB, NOW_MILLIS), 2);
        assertThat(Admission.refusal(OWN, node)).isEmpty();
        assertThat(Admission.clockDiffers(node, NOW_MILLIS)).isEmpty();
    }

    @Test
    void allThatANodeHasOtherwiseIsSaidAtOnceWithItsName() {
        NodeJoined node = node(new Preflight("0.2.0", "21.0.1", "def", 2 * 256 * MIB - 1, NOW_MILLIS), 2);
        assertThat(Admission.refusal(OWN, node))
                .contains(new Fault(
                        FaultCode.NODE_UNFIT,
                        "node 10.0.0.8:2550 (eight): it has Chorale 0.2.0, the cluster has Chorale 0.1.0;"
                                + " it has Java 21.0.1, the cluster has Java 17.0.12;"
                                + " it has a class path of SHA-256 def, the cluster has a class path of SHA-256 abc;"
                                + " it has 536,870,911 bytes of free memory; 2 slots take at least 536,870,912"));
    }

    @Test
    void aNodeWithoutSlotsNeedsNoMemoryForThem() {
        assertThat(Admission.refusal(OWN, node(new Preflight("0.1.0", "17.0.12", "abc", 0, NOW_MILLIS), 0)))
                .isEmpty();
    }

    @Test
    void aClockMayBeOffByFiveSecondsAndNoMore() {
        for (long sign : List.of(1L, -1L)) {
            assertThat(Admission.clockDiffers(at(NOW_MILLIS + sign * 5_000), NOW_MILLIS))
                    .isEmpty();
            assertThat(Admission.clockDiffers(at(NOW_MILLIS + sign * 5_100), NOW_MILLIS))
                    .hasValueSatisfying(why -> assertThat(why)
                            .startsWith("node 10.0.0.8:2550 (eight): its clock is %s by 5.1 seconds"
                                    .formatted(sign > 0 ? "ahead" : "behind")));
        }
    }

    private static NodeJoined at(long epochMillis) {
        return node(new Preflight("0.1.0", "17.0.12", "abc", 0, epochMillis), 0);
    }

    private static NodeJoined node(Preflight preflight, int slots) {
        return new NodeJoined(
                "10.0.0.8:2550",
                "eight",
                List.of("worker"),
                slots,
                List.of(),
                preflight,
                TestInbox.<NodeCommand>create().getRef());
    }
}

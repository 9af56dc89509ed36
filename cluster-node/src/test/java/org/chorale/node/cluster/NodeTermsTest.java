// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Optional;
import org.chorale.node.security.NodeSecurity;
import org.chorale.node.system.HostPort;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How many workers a node has room for. */
final class NodeTermsTest {
    @Test
    void withoutANumberThereIsASlotForEachGpuAndOneWhereThereIsNone() {
        NodeTerms terms = terms(Optional.empty(), NodeTerms.WORKER);

        assertThat(terms.slots(8)).isEqualTo(8);
        assertThat(terms.slots(0)).isEqualTo(1);
    }

    @Test
    void aNumberHoldsWhateverGpusThereAre() {
        assertThat(terms(Optional.of(3), NodeTerms.WORKER).slots(8)).isEqualTo(3);
    }

    @Test
    void aNodeWithoutWorkersHasNoSlots() {
        assertThat(terms(Optional.of(3), NodeTerms.FEEDER).slots(8)).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 257})
    void aNumberOutOfRangeIsRefused(int slots) {
        assertThatThrownBy(() -> terms(Optional.of(slots), NodeTerms.WORKER))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--slots %d: must be auto, or from 1 to 256", slots);
    }

    private static NodeTerms terms(Optional<Integer> slots, String role) {
        HostPort bind = new HostPort("127.0.0.1", 0);
        NodeSecurity security = NodeSecurity.of(Optional.empty(), false, bind.host());
        return new NodeTerms(bind, List.of(), List.of(role), slots, security);
    }
}

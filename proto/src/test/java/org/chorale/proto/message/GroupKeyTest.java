// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.proto.message;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

final class GroupKeyTest {
    @Test
    void aKeyStandsInNoText() {
        GroupKey key = key(65);
        assertThat(key.toString()).isEqualTo("GroupKey[secret]");
        assertThat(new WorkerCommand.JoinGroup(3, key).toString())
                .doesNotContain("65", "A")
                .contains("3", "secret");
    }

    @Test
    void keysAreToldApartByTheirBytes() {
        assertThat(key(65)).isEqualTo(key(65)).hasSameHashCodeAs(key(65)).isNotEqualTo(key(66));
    }

    @Test
    void whatIsNoKeyIsRefusedWithoutBeingShown() {
        assertThatThrownBy(() -> new GroupKey(new byte[] {65, 65}))
                .hasMessage("the key of a group has 128 bytes, not 2");
    }

    private static GroupKey key(int value) {
        byte[] bytes = new byte[GroupKey.BYTES];
        Arrays.fill(bytes, (byte) value);
        return new GroupKey(bytes);
    }
}

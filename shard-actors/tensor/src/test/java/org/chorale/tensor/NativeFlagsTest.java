// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Properties;
import org.junit.jupiter.api.Test;

/** A forgotten flag is named as it would be typed. */
final class NativeFlagsTest {
    @Test
    void testsRunWithTheFlagsOfTheLauncher() {
        assertThat(NativeFlags.missing(System.getProperties())).isEmpty();
    }

    @Test
    void whatIsMissingOrOtherwiseIsNamed() {
        Properties properties = new Properties();
        properties.setProperty("org.bytedeco.javacpp.nopointergc", "false");
        properties.setProperty("org.bytedeco.javacpp.maxBytes", "0");
        assertThat(NativeFlags.missing(properties))
                .containsExactly(
                        "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0", "-Dorg.bytedeco.javacpp.nopointergc=true");
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.chorale.tensor.NativeMemory;
import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.Test;

/** What is checked on a GPU is right where it runs without one: the checks themselves have no mistake. */
final class MixtureCheckTest {
    @Test
    void allChecksPassOnTheCpu() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        long live = NativeMemory.liveReferences();
        int code = new MixtureCheck(Device.CPU, new PrintStream(out, true, StandardCharsets.UTF_8)).run();
        assertThat(out.toString(StandardCharsets.UTF_8)).contains("all to one bf16", ", 0 failed");
        assertThat(code).isZero();
        assertThat(NativeMemory.liveReferences()).isEqualTo(live);
    }
}

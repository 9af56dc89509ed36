// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.chorale.tensor.device.Device;
import org.junit.jupiter.api.Test;

final class KernelCheckTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final KernelCheck check = new KernelCheck(Device.CPU, new PrintStream(out, true, StandardCharsets.UTF_8));

    @Test
    void aCheckThatFailsIsSaidAndTheNextOneRuns() {
        check.compare("norm", "[7, 64]", "bf16", 1e-2, () -> {
            throw new IllegalStateException("no such kernel\nand so on");
        });
        check.compare("norm", "[1, 64]", "bf16", 1e-2, () -> Double.NaN);
        check.compare("norm", "[1, 64]", "fp32", 1e-6, () -> 2e-6);
        check.compare("rotary", "[1, 64]", "fp32", 1e-6, () -> 5e-7);

        assertThat(check.end()).isEqualTo(1);
        assertThat(lines())
                .contains(
                        "norm [7, 64] bf16: FAIL no such kernel",
                        "norm [1, 64] bf16: error NaN, tolerance 0.0100, FAIL",
                        "norm [1, 64] fp32: error 2.00e-06, tolerance 1.00e-06, FAIL",
                        "rotary [1, 64] fp32: error 5.00e-07, tolerance 1.00e-06, ok",
                        "4 checks, 3 failed");
    }

    @Test
    void aSpeedStandsBesideThatOfACopy() {
        check.speed("nothing", "[1]", "fp32", 1000, () -> {});

        assertThat(check.end()).isZero();
        assertThat(lines()).contains("copy of 64 KiB: ").containsPattern("nothing \\[1\\] fp32: .* % of a copy");
    }

    private String lines() {
        return out.toString(StandardCharsets.UTF_8);
    }
}

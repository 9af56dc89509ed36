// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.chorale.proto.fault.FaultException;
import org.chorale.training.golden.GoldenCheck.Row;
import org.junit.jupiter.api.Test;

final class VerificationTest {
    private static final Path GOLDEN = Path.of("golden.safetensors");

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final PrintStream stream = new PrintStream(out, true, StandardCharsets.UTF_8);
    private final Verification verification =
            new Verification(new Console(stream, stream, false, 100, Path.of("")), false);

    @Test
    void theColumnsStandInLineHoweverLongAName() {
        String name = "grad.model." + "layers.0.".repeat(10) + "weight";
        int exitCode = verification.report(
                GOLDEN, List.of(new Row("loss", 0, 1e-5, true, ""), new Row(name, 1, 1e-5, false, "")));

        List<String> lines = out.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(exitCode).isEqualTo(1);
        assertThat(lines.get(1).indexOf("equal")).isEqualTo(lines.get(0).indexOf("verdict"));
        assertThat(lines.get(2).indexOf("DIFFERS")).isEqualTo(lines.get(0).indexOf("verdict"));
    }

    @Test
    void aGoldenFileWithNothingToCompareIsWrongInput() {
        assertThatThrownBy(() -> verification.report(GOLDEN, List.of()))
                .isInstanceOfSatisfying(
                        FaultException.class,
                        e -> assertThat(ExitCode.of(e.fault().code().kind())).isEqualTo(2))
                .hasMessageContaining("golden.safetensors holds no quantity to compare");
    }
}

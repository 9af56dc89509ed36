// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;
import org.chorale.training.golden.GoldenCheck.Row;
import org.chorale.training.shard.Precision;
import org.junit.jupiter.api.Test;

final class VerificationTest {
    private static final Path GOLDEN = Path.of("golden.safetensors");

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final PrintStream stream = new PrintStream(out, true, StandardCharsets.UTF_8);
    private final Console console = new Console(stream, stream, false, 100, Path.of(""));
    private final Verification verification = new Verification(console, false, Precision.FP32, Device.CPU);

    @Test
    void theColumnsStandInLineHoweverLongAName() {
        String name = "grad.model." + "layers.0.".repeat(10) + "weight";
        int exitCode = verification.report(
                GOLDEN, List.of(new Row("loss", 0, 0, 1e-5, true, ""), new Row(name, 1, 1, 1e-5, false, "")));

        List<String> lines = out.toString(StandardCharsets.UTF_8).lines().toList();
        assertThat(exitCode).isEqualTo(1);
        assertThat(lines.get(1).indexOf("equal")).isEqualTo(lines.get(0).indexOf("verdict"));
        assertThat(lines.get(2).indexOf("DIFFERS")).isEqualTo(lines.get(0).indexOf("verdict"));
    }

    @Test
    void ofAnotherFormatTheErrorIsPrintedAndOnlyWhatIsNoNumberFails() {
        Verification bf16 = new Verification(console, false, Precision.BF16, Device.CPU);
        Row good = new Row("loss", 0.5, 0.125, Double.POSITIVE_INFINITY, true, "");
        Row bad = new Row("logits", Double.NaN, Double.NaN, Double.POSITIVE_INFINITY, false, "");

        assertThat(bf16.report(GOLDEN, List.of(good))).isZero();
        assertThat(bf16.report(GOLDEN, List.of(good, bad))).isEqualTo(1);
        assertThat(out.toString(StandardCharsets.UTF_8))
                .contains("relative error", "1.25e-01     5.00e-01", "is not finite")
                .doesNotContain("equal", "tolerance");
    }

    @Test
    void forProgramsARowHasItsErrorAndANumberThatIsNoneIsNull() throws JsonProcessingException {
        Row good = new Row("loss", 0.5, 0.125, Double.POSITIVE_INFINITY, true, "");
        Row bad = new Row("logits", Double.NaN, Double.NaN, Double.POSITIVE_INFINITY, false, "");
        new Verification(console, true, Precision.BF16, Device.cuda(1)).report(GOLDEN, List.of(good, bad));

        JsonNode json = new JsonMapper().readTree(out.toString(StandardCharsets.UTF_8));
        assertThat(json.path("precision").textValue()).isEqualTo("bf16");
        assertThat(json.path("device").textValue()).isEqualTo("cuda:1");
        assertThat(json.path("rows").path(0).path("relative_error").doubleValue())
                .isEqualTo(0.125);
        assertThat(json.path("rows").path(0).path("tolerance").isNull()).isTrue();
        assertThat(json.path("rows").path(1).path("relative_error").isNull()).isTrue();
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

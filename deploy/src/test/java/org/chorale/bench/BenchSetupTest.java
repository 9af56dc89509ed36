// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.chorale.model.fp8.Fp8Rule;
import org.chorale.model.fp8.Fp8Scaling;
import org.chorale.tensor.device.Device;
import org.chorale.training.RecomputePolicy;
import org.chorale.training.shard.Precision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class BenchSetupTest {
    @Test
    void aRowHasItsOwnSettings() {
        BenchSetup setup = BenchSetup.parse("8b-lora-recompute");
        assertThat(setup.row()).isEqualTo(BenchRow.B8_LORA_RECOMPUTE);
        assertThat(setup.device()).isEqualTo(Device.cuda(0));
        assertThat(setup.precision()).isEqualTo(Precision.BF16);
        assertThat(setup.recompute()).isEqualTo(RecomputePolicy.FULL);
        assertThat(setup.sequences()).isEqualTo(4);
        assertThat(setup.tokens()).isEqualTo(2048);
        assertThat(setup.steps()).isEqualTo(10);
        assertThat(setup.fp8()).isEmpty();
        assertThat(setup.expertsApart()).isFalse();
        assertThat(setup.tf32()).isFalse();
        assertThat(setup.ranks()).isEqualTo(1);
        assertThat(setup.copies()).isEqualTo(1);
        assertThat(setup.memoryGib()).isZero();
        assertThat(setup.profile()).isEmpty();
        assertThat(BenchSetup.parse("8b-full-shard").ranks()).isEqualTo(2);
        assertThat(BenchSetup.parse("1b-full").precision()).isEqualTo(Precision.BF16_TRUE);
    }

    @Test
    void ranksThatShareAGpuHaveTheFirst() {
        String[] row = {"8b-full-shard", "device=cuda-shared"};
        assertThat(BenchSetup.parse(row).device()).isEqualTo(Device.cuda(0));
        assertThat(RankDevices.among(List.of(row)).of(3)).isEqualTo(Device.cuda(0));
        assertThat(RankDevices.among(List.of("8b-full-shard")).of(3)).isEqualTo(Device.cuda(3));
        assertThat(RankDevices.among(List.of("2", "cpu")).of(3)).isEqualTo(Device.CPU);
    }

    @Test
    void theCommandLineSaysOtherSettings() {
        BenchSetup setup = BenchSetup.parse(
                "8b-lora-recompute",
                "device=cuda:1",
                "precision=fp32",
                "fp8=row",
                "recompute=none",
                "sequences=2",
                "tokens=128",
                "steps=5",
                "tf32=true",
                "ranks=4",
                "copies=2",
                "memory-gib=79.5",
                "profile=a.json");
        assertThat(setup.device()).isEqualTo(Device.cuda(1));
        assertThat(setup.precision()).isEqualTo(Precision.FP32);
        assertThat(setup.recompute()).isEqualTo(RecomputePolicy.NONE);
        assertThat(setup.sequences()).isEqualTo(2);
        assertThat(setup.tokens()).isEqualTo(128);
        assertThat(setup.steps()).isEqualTo(5);
        assertThat(setup.fp8()).contains(new Fp8Rule(Fp8Scaling.ROW, List.of(), List.of()));
        assertThat(setup.tf32()).isTrue();
        assertThat(setup.ranks()).isEqualTo(4);
        assertThat(setup.copies()).isEqualTo(2);
        assertThat(setup.memoryGib()).isEqualTo(79.5);
        assertThat(setup.profile()).contains(Path.of("a.json"));
    }

    @Test
    void expertsOneByOneAreAResultOfTheirOwn() {
        assertThat(BenchSetup.parse("mixture-8").rowWord()).isEqualTo("mixture-8");
        BenchSetup each = BenchSetup.parse("mixture-8", "experts=each");
        assertThat(each.expertsApart()).isTrue();
        assertThat(each.rowWord()).isEqualTo("mixture-8, experts one by one");
    }

    @Test
    void weightsAreGatheredInFp8WhereThatIsSaid() {
        assertThat(BenchSetup.parse("8b-full-shard", "fp8=tensor").gathersInFp8())
                .isFalse();
        assertThat(BenchSetup.parse("8b-full-shard", "fp8=tensor", "gather=fp8").gathersInFp8())
                .isTrue();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    9b                  | there is no row 9b: give one of 1b-full, 8b-lora-recompute
                    tiny batch=4        | batch=4: usage: gpu ROW [key=value ...]
                    tiny steps          | steps: usage
                    tiny steps=4        | steps=4: must be a whole number from 5
                    tiny tokens=1       | tokens=1: must be a whole number from 2
                    tiny sequences=99999999 | sequences=99999999: must be a whole number from 1
                    tiny device=gpu     | device=gpu: no device; must be cpu, cuda or cuda:N
                    tiny precision=fp8  | precision=fp8: must be one of fp32
                    tiny recompute=some | recompute=some: must be one of none, selective, full, auto
                    tiny tf32=yes       | tf32=yes: must be true or false
                    tiny tf32=true device=cpu | tf32=true: only a GPU with precision=fp32 heeds it, and this is cpu with fp32
                    1b-full tf32=true   | tf32=true: only a GPU with precision=fp32 heeds it, and this is cuda:0 with bf16-true
                    tiny fp8=yes        | fp8=yes: must be none, tensor or row
                    tiny ranks=4 copies=3 | copies=3: must be a divisor of ranks, which is 4
                    tiny experts=each   | experts=each: the row tiny has no experts
                    mixture-8 experts=1 | experts=1: must be grouped or each
                    tiny fp8=row gather=fp8 | gather=fp8: needs fp8=tensor, not row
                    tiny gather=yes     | gather=yes: must be bf16 or fp8
                    tiny memory-gib=all | memory-gib=all: must be a number
                    """)
    void whatCannotBeMeasuredIsRefusedWithWhatCan(String line, String words) {
        assertThatThrownBy(() -> BenchSetup.parse(line.split(" "))).hasMessageContaining(words);
    }
}

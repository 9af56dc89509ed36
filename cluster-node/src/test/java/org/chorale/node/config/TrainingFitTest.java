// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Refusals beside those of {@code deploy/reference/features.md}, which has the others. */
final class TrainingFitTest {
    @TempDir
    private Path folder;

    @Test
    void whatClashesIsToldTogether() throws IOException {
        assertThat(problems("""
                        model { path = model, recompute = auto }
                        data.train.path = train.jsonl
                        parallel.device = cpu
                        precision = bf16-true
                        fp8.scaling = row
                        optimizer { type = sgd, lora-plus-ratio = 16 }
                        """))
                .hasSize(4)
                .anyMatch(line -> line.startsWith("optimizer.type = sgd: precision = bf16-true needs adamw or adam"))
                .anyMatch(line -> line.startsWith("optimizer.lora-plus-ratio = 16.0: no adapter"))
                .anyMatch(line -> line.contains("model.recompute = auto") && line.contains("fp8.scaling = row"))
                .anyMatch(line -> line.contains("model.recompute = auto") && line.contains("parallel.device = cpu"));
    }

    @Test
    void aModelOfOnesOwnIsNotToldWhatToRecompute() throws IOException {
        assertThat(problems("""
                        model.recompute = full
                        pipeline.model.type = com.example.Own
                        pipeline.loss.type = MseLoss
                        data { numbers { point = 2 }, train.path = points.jsonl }
                        """))
                .containsExactly(
                        "model.recompute = full: is not read where pipeline.model.type is set; a model of your own"
                                + " keeps what it likes: it must be none");
    }

    @Test
    void aGatherInFp8IsRefusedWhereNothingIsReadSo() throws IOException {
        assertThat(problems("""
                        model.path = model
                        data.train.path = train.jsonl
                        precision = bf16
                        fp8.gather = true
                        """))
                .containsExactly("fp8.gather = true: nothing is read in FP8 (fp8.scaling = none); make that tensor, or"
                        + " leave fp8.gather out");
        assertThat(problems("""
                        model.path = model
                        data.train.path = train.jsonl
                        precision = bf16
                        fp8 { scaling = row, gather = true }
                        """))
                .containsExactly(
                        "fp8.gather = true: with fp8.scaling = row a weight's transpose has other scales, which"
                                + " only its bf16 values tell; make that tensor, or leave fp8.gather out");
    }

    /** Of what is told of a run elsewhere, where alone users' classes need to be. */
    private List<String> problems(String conf) throws IOException {
        RunFile file = new RunFile(Files.writeString(folder.resolve("my.conf"), conf), folder);
        FaultException refused =
                catchThrowableOfType(FaultException.class, () -> file.resolveForCluster(List.of(), Optional.empty()));
        return refused == null ? List.of() : refused.fault().message().lines().toList();
    }
}

// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.tensor.device.Device;
import org.chorale.training.ActivationPlan;
import org.chorale.training.pipeline.LocalComponents;
import org.chorale.training.shard.ModelShard;
import org.chorale.training.shard.RankGroups;
import org.chorale.training.shard.UnitLayout;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a run's configuration has its model recompute, and where it is refused. */
final class RunModelTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void write() throws IOException {
        Examples.writeModel(directory);
    }

    @ParameterizedTest
    @CsvSource({
        "none, 380", // x 32, attention 32 and 8 of sums, q, k and v 64, gate and up 96, h 32, norms 64 and 8; 44 beside
        "selective, 116",
        "full, 76"
    })
    void whatIsStatedIsDoneAndCountedForTheLargestMicroBatch(String policy, long bytesOfARow) {
        String runConf =
                runConf("model.recompute = %s, data.micro-batch = 2, data.sequence-tokens = 5".formatted(policy));
        try (RunModel model = RunModel.open(runConf, LocalComponents.none());
                ModelShard shard = shard(model)) {
            ActivationPlan plan = model.activations(shard).orElseThrow();
            assertThat(plan.words()).isEqualTo(policy);
            assertThat(plan.keptBytes()).isEqualTo(2 * 5 * bytesOfARow);
        }
    }

    @Test
    void aChoiceByAGpusMemoryIsRefusedWithoutOne() {
        try (RunModel model = RunModel.open(runConf("model.recompute = auto"), LocalComponents.none());
                ModelShard shard = shard(model)) {
            assertThatThrownBy(() -> model.activations(shard))
                    .isInstanceOfSatisfying(
                            FaultException.class,
                            e -> assertThat(e.fault().code()).isEqualTo(FaultCode.CONFIG_INVALID))
                    .hasMessageContainingAll("model.recompute = auto", "none, selective or full");
        }
    }

    @Test
    void aLossForRoutersIsRefusedWhereThereAreNone() {
        assertThatThrownBy(() -> RunModel.open(runConf("loss.router = 0.1"), LocalComponents.none()))
                .isInstanceOf(FaultException.class)
                .hasMessageContaining("loss.router = 0.1: a llama has no routers: leave it null, or 0");
    }

    @ParameterizedTest
    @CsvSource({
        "'pipeline.preprocess = [{ type = org.chorale.worker.GatedStage }]', a pipeline",
        "loss.preference.type = dpo, a loss of preferences"
    })
    void whatDoesNotAddALossForRoutersRefusesItUnlessItIsSwitchedOff(String objective, String named)
            throws IOException {
        Files.writeString(directory.resolve("config.json"), """
                {"model_type": "mixtral", "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12,
                 "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "num_local_experts": 2,
                 "output_router_logits": true, "router_aux_loss_coef": 0.5}
                """);
        String keys = "model.initialize = random, " + objective;
        assertThatThrownBy(() -> RunModel.open(runConf(keys), LocalComponents.none()))
                .isInstanceOf(FaultException.class)
                .hasMessageContainingAll("router_aux_loss_coef = 0.5", named, "set loss.router = 0");
        assertThatThrownBy(() -> RunModel.open(runConf(keys + ", loss.router = 0.1"), LocalComponents.none()))
                .hasMessageContainingAll("loss.router = 0.1", named + " does not add");
        try (RunModel off = RunModel.open(runConf(keys + ", loss.router = 0"), LocalComponents.none())) {
            assertThat(off.folder()).isPresent();
        }
    }

    private static ModelShard shard(RunModel model) {
        List<UnitLayout> layout =
                model.source().units().stream().map(UnitLayout::whole).toList();
        return model.shard(layout, RankGroups.alone(), Device.CPU);
    }

    private String runConf(String more) {
        return Examples.runConf(directory, "fp32", "1 second", more.replace(", ", "\n"));
    }
}

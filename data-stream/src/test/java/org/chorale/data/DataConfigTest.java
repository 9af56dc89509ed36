// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.chorale.data.source.MalformedRows;
import org.chorale.proto.fault.FaultException;
import org.junit.jupiter.api.Test;

class DataConfigTest {
    @Test
    void theDefaultsAreReadWithAPathAndATokenizer() {
        FeedSettings settings = FeedSettings.read(
                RunConf.of("run.dir = /runs/a", "model.path = /models/m", "data.train.path = /data/a.jsonl"));
        assertThat(settings.data().globalBatch()).isEqualTo(16);
        assertThat(settings.data().malformedRows()).isEqualTo(MalformedRows.FAIL);
        assertThat(settings.run().seed()).isEqualTo(42);
        assertThat(settings.trainPath()).isEqualTo(Path.of("/data/a.jsonl"));
        assertThat(settings.evalPath()).isEmpty();
        assertThat(settings.generates()).isFalse();
        assertThat(settings.tokenizerPath()).isEqualTo(Path.of("/models/m"));
    }

    @Test
    void generatedDataStandsInForPathsThatAreNotGiven() {
        FeedSettings settings = FeedSettings.read(
                RunConf.of("run.dir = /runs/a", "model.path = /m", "data.generate.task = reverse-words"));
        assertThat(settings.generates()).isTrue();
        assertThat(settings.trainPath()).isEqualTo(Path.of("/runs/a/data/train.jsonl"));
        assertThat(settings.evalPath()).contains(Path.of("/runs/a/data/held-out.jsonl"));
    }

    @Test
    void pathsThatAreGivenComeBeforeGeneratedData() {
        FeedSettings both = FeedSettings.read(RunConf.of(
                "run.dir = /runs/a",
                "model.path = /m",
                "data { train.path = /d/t.jsonl, generate.task = reverse-words, tokenizer.path = /t }"));
        assertThat(both.generates()).isFalse();
        assertThat(both.trainPath()).isEqualTo(Path.of("/d/t.jsonl"));
        assertThat(both.evalPath()).isEmpty();
        assertThat(both.tokenizerPath()).isEqualTo(Path.of("/t"));
        FeedSettings eval = FeedSettings.read(RunConf.of(
                "run.dir = /runs/a", "model.path = /m", "data { eval.path = /e, generate.task = reverse-words }"));
        assertThat(eval.evalPath()).contains(Path.of("/e"));
    }

    @Test
    void onlyOneOfPackingAndGroupingOrdersTheExamples() {
        assertThatThrownBy(() -> FeedSettings.read(RunConf.of(
                        "run.dir = /r",
                        "model.path = /m",
                        "data { train.path = /t.jsonl, packing = true, group-by-length = true, window = 0 }")))
                .hasMessageContainingAll(
                        "data.packing = true with data.group-by-length = true: only one of them",
                        "data.window = 0: must be 1 to 1048576");
        assertThatThrownBy(() -> FeedSettings.read(RunConf.of(
                        "run.dir = /r",
                        "model.path = /m",
                        "data { train.path = /t.jsonl, truncation = drop, chat.train-on = user }")))
                .hasMessageContainingAll(
                        "data.truncation = drop: must be one of cut, error, split",
                        "data.chat.train-on = user: must be one of assistant, all");
    }

    @Test
    void allProblemsAreNamedAtOnceWithKeyAndValue() {
        assertThatThrownBy(() -> FeedSettings.read(RunConf.of(
                        "data { global-batch = 0, micro-batch = -1, sequence-tokens = 1, prefetch-batches = 2000 }")))
                .isInstanceOf(FaultException.class)
                .hasMessageContainingAll(
                        "data.global-batch = 0: must be 1 to 1048576",
                        "data.micro-batch = -1: must be 1 to 1048576",
                        "data.sequence-tokens = 1: must be 2 to 1048576",
                        "data.prefetch-batches = 2000: must be 1 to 1024",
                        "data.train.path is not set: give a file of rows or a folder",
                        "run.dir is not set");
        assertThatThrownBy(() -> FeedSettings.read(
                        RunConf.of("run.dir = /r", "data { micro-batch = 257, sequence-tokens = 4096 }")))
                .hasMessageContaining("data.micro-batch = 257 with data.sequence-tokens = 4096: their product must be"
                        + " at most 1048576");
        assertThatThrownBy(() -> FeedSettings.read(
                        RunConf.of("run.dir = /r", "data { micro-batch = 256, sequence-tokens = 4096 }")))
                .hasMessageNotContaining("product");
        assertThatThrownBy(() -> FeedSettings.read(
                        RunConf.of("run.dir = /r", "data { train.path = /t.jsonl, malformed-rows = ignore }")))
                .hasMessageContaining("data.malformed-rows = ignore: must be one of fail, skip");
        FeedSettings without = FeedSettings.read(RunConf.of("run.dir = /r", "data.train.path = /t.jsonl"));
        assertThat(without.tokenizer()).as("rows of token ids need none").isEmpty();
        assertThatThrownBy(without::tokenizerPath)
                .hasMessageContaining("data.tokenizer.path is not set, nor is model.path");
        assertThatThrownBy(
                        () -> FeedSettings.read(RunConf.of("data.generate { task = reverse-words, train-rows = 0 }")))
                .hasMessageContaining("data.generate.train-rows = 0: must be 1 to 1000000");
    }
}

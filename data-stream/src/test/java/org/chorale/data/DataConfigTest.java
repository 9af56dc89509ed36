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
        assertThat(settings.train().get(0).entry().path()).isEqualTo(Path.of("/data/a.jsonl"));
        assertThat(settings.eval()).isEmpty();
        assertThat(settings.generates()).isFalse();
        assertThat(settings.tokenizerPath()).isEqualTo(Path.of("/models/m"));
    }

    @Test
    void generatedDataStandsInForPathsThatAreNotGiven() {
        FeedSettings settings = FeedSettings.read(
                RunConf.of("run.dir = /runs/a", "model.path = /m", "data.generate.task = reverse-words"));
        assertThat(settings.generates()).isTrue();
        assertThat(settings.train().get(0).entry().path()).isEqualTo(Path.of("/runs/a/data/train.jsonl"));
        assertThat(settings.eval().get(0).entry().path()).isEqualTo(Path.of("/runs/a/data/held-out.jsonl"));
    }

    @Test
    void pathsThatAreGivenComeBeforeGeneratedData() {
        FeedSettings both = FeedSettings.read(RunConf.of(
                "run.dir = /runs/a",
                "model.path = /m",
                "data { train.path = /d/t.jsonl, generate.task = reverse-words, tokenizer.path = /t }"));
        assertThat(both.generates()).isFalse();
        assertThat(both.train().get(0).entry().path()).isEqualTo(Path.of("/d/t.jsonl"));
        assertThat(both.eval()).isEmpty();
        assertThat(both.tokenizerPath()).isEqualTo(Path.of("/t"));
        FeedSettings eval = FeedSettings.read(RunConf.of(
                "run.dir = /runs/a", "model.path = /m", "data { eval.path = /e, generate.task = reverse-words }"));
        assertThat(eval.eval().get(0).entry().path()).isEqualTo(Path.of("/e"));
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

    @Test
    void everyProblemOfSourcesIsNamedAtOnceWithItsPlace() {
        assertThatThrownBy(() -> FeedSettings.read(RunConf.of("run.dir = /r", """
                        data.train {
                          path = /t.jsonl
                          sources = [
                            { path = "", weight = 2, filter = "size(" }
                            { weights = 3 }
                            { path = /b, transform = [{ typ = a.B }], map { text = [1] } }
                          ]
                        }
                        """)))
                .hasMessageContainingAll(
                        "data.train.sources[1].weights: there is no such key, there are columns, filter,",
                        "data.train.sources[1].path is not set: give a path",
                        "data.train.sources[2].transform[0].typ: there is no such key, there are config, type",
                        "data.train.sources[2].transform[0].type is not set: give a text",
                        "data.train.sources[2].map.text = [1]: must be a text");
        assertThatThrownBy(() -> FeedSettings.read(RunConf.of("run.dir = /r", """
                        data.train {
                          path = /t.jsonl
                          sources = [{ path = " ", weight = 2, filter = "size(" }]
                          exhausted = stop
                        }
                        data.eval { path = /e, share = 1.5, rows = 0 }
                        """)))
                .hasMessageContainingAll(
                        "data.train.path = /t.jsonl with data.train.sources: give one of them",
                        "data.train.sources[0].path is empty: give a path",
                        "data.train.sources[0].filter = \"size(\": column 6: ",
                        "data.train.sources[0].weight = 2.0: is only read where data.train.mix = weighted",
                        "data.train.exhausted: is only read where data.train.mix = weighted",
                        "data.eval.share = 1.5: must be above 0 and below 1",
                        "data.eval.rows = 0: must be at least 1",
                        "data.eval.path = /e with data.eval.share = 1.5 with data.eval.rows = 0: give one of them");
    }

    @Test
    void weightsThatCannotBeMixedAreRefused() {
        assertThatThrownBy(() -> FeedSettings.read(RunConf.of(
                        "run.dir = /r", "data.train { sources = [{ path = /a, weight = -1 }], mix = weighted }")))
                .hasMessageContaining("data.train.sources: weight -1.0 must be above 0");
        assertThatThrownBy(
                        () -> FeedSettings.read(RunConf.of("run.dir = /r", "data.train { path = /a, mix = weighted }")))
                .hasMessageContaining("data.train.mix = weighted: needs data.train.sources");
        assertThatThrownBy(() -> FeedSettings.read(RunConf.of(
                        "run.dir = /r", "data.train.path = /a", "data.eval.sources = [{ path = /e, weight = 1 }]")))
                .hasMessageContaining("data.eval.sources[0].weight = 1.0: held-out examples are not mixed");
    }

    @Test
    void generatedDataHasHeldOutRowsOfItsOwn() {
        assertThatThrownBy(() -> FeedSettings.read(
                        RunConf.of("run.dir = /r", "data.generate.task = reverse-words", "data.eval.share = 0.1")))
                .hasMessageContaining("data.eval.share or data.eval.rows with data.generate.task");
    }
}
